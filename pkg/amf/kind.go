package amf

// Kind names the kinds of Value, for messages and for Reader.Peek.
type Kind uint8

// KindInvalid is the kind of what is not a value: end of the message, or a marker without a type.
const (
	KindInvalid Kind = iota
	KindNull
	KindUndefined
	KindBool
	KindNumber
	KindString
	KindDate
	KindByteArray
	KindXML
	KindObject
	KindArray
	KindDictionary
	KindVector
	// KindReference is only seen by Peek: an AMF0 reference, to an object or an array.
	KindReference
)

var kindNames = [...]string{
	"invalid", "null", "undefined", "boolean", "number", "string", "date", "byte array", "xml",
	"object", "array", "dictionary", "vector", "reference",
}

// String is the kind's name, lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// KindOf is the kind of v; nil counts as null.
func KindOf(v Value) Kind {
	switch v.(type) {
	case nil, Null:
		return KindNull
	case Undefined:
		return KindUndefined
	case Bool:
		return KindBool
	case Number:
		return KindNumber
	case String:
		return KindString
	case *Date:
		return KindDate
	case *ByteArray:
		return KindByteArray
	case *XML:
		return KindXML
	case *Object:
		return KindObject
	case *Array:
		return KindArray
	case *Dictionary:
		return KindDictionary
	case *Vector:
		return KindVector
	}
	return KindInvalid
}
