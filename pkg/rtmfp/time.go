package rtmfp

import "time"

// Time is an instant in nanoseconds since an epoch the caller chooses; the core only compares and
// subtracts. Zero means "never" where a deadline is optional.
type Time int64

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }
