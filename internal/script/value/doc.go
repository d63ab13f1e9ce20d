// Package value turns Lua values into AMF, JSON, XML and query strings and back, and holds the tables of
// text parameters that scripts read (properties, configuration).
//
// A Converter belongs to the goroutine that owns its Lua state; so does every Lua value it returns. What a
// script passes out is copied: nothing of an amf.Value refers to a Lua table.
//
// Received tables may have the markers that MonaServer 1.x scripts know: __raw (byte array), __time (date,
// milliseconds since 1970 UTC), __size (dictionary) and __type (object of a class). The same markers decide,
// in this order, how a table is sent.
package value
