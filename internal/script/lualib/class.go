package lualib

// Character classes of patterns, as in the C locale.

const (
	classAlpha = 1 << iota
	classCntrl
	classDigit
	classLower
	classPunct
	classSpace
	classUpper
	classXDigit
	classZero
)

var (
	classOf     [256]uint16 // classes of a character
	classLetter [256]uint16 // classes of a letter after %, in lower case
)

func init() {
	for i := range classOf {
		c := byte(i)
		var of uint16
		switch {
		case c >= 'a' && c <= 'z':
			of = classAlpha | classLower
		case c >= 'A' && c <= 'Z':
			of = classAlpha | classUpper
		case c-'0' <= 9:
			of = classDigit
		case c > ' ' && c < 0x7f:
			of = classPunct
		case c < ' ' || c == 0x7f:
			of = classCntrl
		}
		if isSpace(c) {
			of |= classSpace
		}
		if hexDigit(c) < 16 {
			of |= classXDigit
		}
		if c == 0 {
			of |= classZero
		}
		classOf[i] = of
	}
	for c, class := range map[byte]uint16{
		'a': classAlpha, 'c': classCntrl, 'd': classDigit, 'l': classLower, 'p': classPunct, 's': classSpace,
		'u': classUpper, 'w': classAlpha | classDigit, 'x': classXDigit, 'z': classZero,
	} {
		classLetter[c] = class
	}
}

// inClass reports whether ch matches % followed by letter: a class, the complement of a class, or the character itself.
func inClass(ch, letter byte) bool {
	if class := classLetter[letter]; class != 0 {
		return classOf[ch]&class != 0
	}
	if letter >= 'A' && letter <= 'Z' {
		if class := classLetter[letter|0x20]; class != 0 {
			return classOf[ch]&class == 0
		}
	}
	return ch == letter
}
