package media

import "errors"

// What Hub.Publish and Hub.Attach refuse.
var (
	ErrInUse   = errors.New("media: name is already publishing")
	ErrTooMany = errors.New("media: too many publications")
	ErrNoName  = errors.New("media: empty publication name")
)
