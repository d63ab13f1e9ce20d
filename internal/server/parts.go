package server

// Parts is what the daemon is made of, in the order of its start; the metrics come before them.
func Parts() []Option {
	var r *rtmfpPart // its applications serve other servers too
	return []Option{
		With(newHeap),
		With(func(env Env) (p Part, err error) {
			if r, err = newRTMFP(env); err != nil {
				return nil, err
			}
			return r, nil
		}),
		With(func(env Env) (Part, error) { return newMesh(env, r) }),
	}
}
