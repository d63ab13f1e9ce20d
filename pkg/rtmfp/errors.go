package rtmfp

import (
	"errors"
	"fmt"
	"net"
)

// closedError is an end of a session or flow; all of them satisfy errors.Is(err, net.ErrClosed).
type closedError string

func (e closedError) Error() string        { return string(e) }
func (e closedError) Is(target error) bool { return target == net.ErrClosed }

// Why a session or flow ended. All satisfy errors.Is(err, net.ErrClosed).
var (
	ErrClosed     error = closedError("rtmfp: closed by this end")
	ErrPeerClosed error = closedError("rtmfp: closed by the far end")
	ErrPeerGone   error = closedError("rtmfp: the far end does not answer any more")
	ErrIdle       error = closedError("rtmfp: no flow for too long")
	ErrOverridden error = closedError("rtmfp: replaced by a new session of the same identity")
)

var errFlowProtocol error = closedError("rtmfp: the far end broke the rules of the flow")

// Why dialling or an operation failed.
var (
	ErrOpenTimeout     = errors.New("rtmfp: no answer from any address")
	ErrNoCommonGroup   = errors.New("rtmfp: the far end does none of our key agreement groups")
	ErrDuplicate       = errors.New("rtmfp: a session with that endpoint exists already")
	ErrTooManySessions = errors.New("rtmfp: session limit reached")
	ErrTooManyFlows    = errors.New("rtmfp: flow limit of the session reached")
	ErrMetadataSize    = fmt.Errorf("rtmfp: flow metadata longer than %d bytes", maxMetadata)
	ErrQueueFull       = errors.New("rtmfp: send queue limit of the session reached")
)

// RejectedError is the end of a sending flow that the far end refused (RFC 7016 §3.6.2.10).
type RejectedError struct{ Code uint64 }

func (e *RejectedError) Error() string {
	return fmt.Sprintf("rtmfp: flow rejected by the far end (exception %d)", e.Code)
}

// Is makes a rejected flow count as closed.
func (e *RejectedError) Is(target error) bool { return target == net.ErrClosed }
