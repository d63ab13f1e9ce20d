// Package amf reads and writes the Action Message Format, versions 0 and 3, and the mix of both that
// RTMP-style messages carry (AMF0 with marker 0x11 in front of an AMF3 value).
//
// Values are the kinds of the closed interface Value. The scalar kinds (Null, Undefined, Bool, Number,
// String) are plain Go values; every other kind is a pointer, and a pointer has identity: a value that a
// message refers to twice comes out as the same pointer twice, cycles included.
//
// Strings are bytes. Nothing checks that they are UTF-8.
//
// Reading: a Reader walks the values of one message under Limits. The reference tables of AMF0 and AMF3
// last for the whole message.
//
// Writing: an Encoder appends to a byte slice. By default it writes no references at all (every reader
// understands that, whatever its rules for the life of the tables) and refuses cycles.
package amf
