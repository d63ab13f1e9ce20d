package server

// Parts is what the daemon is made of, in the order of its start; the metrics come before them.
func Parts() []Option {
	return []Option{With(RTMFP)}
}
