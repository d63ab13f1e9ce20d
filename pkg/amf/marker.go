package amf

// AMF0 markers (AMF0 §2.1, §3.1).
const (
	m0Number      = 0x00
	m0Bool        = 0x01
	m0String      = 0x02
	m0Object      = 0x03
	m0MovieClip   = 0x04
	m0Null        = 0x05
	m0Undefined   = 0x06
	m0Reference   = 0x07
	m0ECMAArray   = 0x08
	m0End         = 0x09
	m0StrictArray = 0x0A
	m0Date        = 0x0B
	m0LongString  = 0x0C
	m0Unsupported = 0x0D
	m0RecordSet   = 0x0E
	m0XML         = 0x0F
	m0Typed       = 0x10
	m0AVMPlus     = 0x11
)

// AMF3 markers (AMF3 §3.1). Vectors and dictionaries are younger than that text; their layout is
// described where they are read.
const (
	m3Undefined    = 0x00
	m3Null         = 0x01
	m3False        = 0x02
	m3True         = 0x03
	m3Integer      = 0x04
	m3Double       = 0x05
	m3String       = 0x06
	m3XMLDocument  = 0x07
	m3Date         = 0x08
	m3Array        = 0x09
	m3Object       = 0x0A
	m3XML          = 0x0B
	m3ByteArray    = 0x0C
	m3VectorInt    = 0x0D
	m3VectorUint   = 0x0E
	m3VectorDouble = 0x0F
	m3VectorObject = 0x10
	m3Dictionary   = 0x11
)

var kinds0 = [...]Kind{
	m0Number: KindNumber, m0Bool: KindBool, m0String: KindString, m0Object: KindObject,
	m0Null: KindNull, m0Undefined: KindUndefined, m0Reference: KindReference,
	m0ECMAArray: KindArray, m0StrictArray: KindArray, m0Date: KindDate, m0LongString: KindString,
	m0XML: KindXML, m0Typed: KindObject,
}

var kinds3 = [...]Kind{
	m3Undefined: KindUndefined, m3Null: KindNull, m3False: KindBool, m3True: KindBool,
	m3Integer: KindNumber, m3Double: KindNumber, m3String: KindString, m3XMLDocument: KindXML,
	m3Date: KindDate, m3Array: KindArray, m3Object: KindObject, m3XML: KindXML,
	m3ByteArray: KindByteArray, m3VectorInt: KindVector, m3VectorUint: KindVector,
	m3VectorDouble: KindVector, m3VectorObject: KindVector, m3Dictionary: KindDictionary,
}

func kindAt(table []Kind, marker byte) Kind {
	if int(marker) < len(table) {
		return table[marker]
	}
	return KindInvalid
}
