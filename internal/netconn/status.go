package netconn

import "github.com/monaserver/monaserver/pkg/amf"

// Status codes of NetConnection.
const (
	CodeConnectSuccess     = "NetConnection.Connect.Success"
	CodeConnectRejected    = "NetConnection.Connect.Rejected"
	CodeConnectInvalidApp  = "NetConnection.Connect.InvalidApp"
	CodeConnectFailed      = "NetConnection.Connect.Failed"
	CodeConnectAppShutdown = "NetConnection.Connect.AppShutdown"
	CodeConnectClosed      = "NetConnection.Connect.Closed" // raised by clients for themselves
	CodeCallFailed         = "NetConnection.Call.Failed"
)

// Status codes of NetStream.
const (
	CodePublishStart        = "NetStream.Publish.Start"
	CodePublishBadName      = "NetStream.Publish.BadName"
	CodeUnpublishSuccess    = "NetStream.Unpublish.Success"
	CodePlayReset           = "NetStream.Play.Reset"
	CodePlayStart           = "NetStream.Play.Start"
	CodePlayStop            = "NetStream.Play.Stop"
	CodePlayFailed          = "NetStream.Play.Failed"
	CodePlayPublishNotify   = "NetStream.Play.PublishNotify"
	CodePlayUnpublishNotify = "NetStream.Play.UnpublishNotify"
	CodeSeekInvalidTime     = "NetStream.Seek.InvalidTime"
)

// Levels of status information.
const (
	levelStatus = "status"
	levelError  = "error"
)

// newInfo returns an info object; the order of its members is what clients have seen for years.
func newInfo(level, code, description string) *amf.Object {
	return amf.NewObject(
		amf.Member{Name: "level", Value: amf.String(level)},
		amf.Member{Name: "code", Value: amf.String(code)},
		amf.Member{Name: "description", Value: amf.String(description)},
	)
}

// newStreamInfo is newInfo for a NetStream; details and detail name the stream, as some servers write the
// one and some the other.
func newStreamInfo(level, code, description, name string) *amf.Object {
	o := newInfo(level, code, description)
	if name != "" {
		o.Add("details", amf.String(name)).Add("detail", amf.String(name))
	}
	return o
}

// Info is a status as a client reads it.
type Info struct {
	Level       string
	Code        string
	Description string
	Object      *amf.Object // all of it; nil if it was no object
}

// parseInfo reads an info object leniently: old servers send ECMA arrays.
func parseInfo(v amf.Value) Info {
	var in Info
	switch o := v.(type) {
	case *amf.Object:
		in.Object = o
	case *amf.Array:
		in.Object = &amf.Object{Members: o.Named}
	default:
		return in
	}
	in.Level, _ = in.Object.String("level")
	in.Code, _ = in.Object.String("code")
	in.Description, _ = in.Object.String("description")
	return in
}
