package flv

// Codec is a FourCC. The codecs that the old one-byte headers number have the FourCC of the enhanced
// headers where there is one, so that a codec has one name whichever way it came.
type Codec uint32

// The codecs of video.
const (
	H263    Codec = 'F'<<24 | 'L'<<16 | 'V'<<8 | '1' // Sorenson H.263
	Screen  Codec = 'F'<<24 | 'S'<<16 | 'V'<<8 | '1'
	Screen2 Codec = 'F'<<24 | 'S'<<16 | 'V'<<8 | '2'
	VP6     Codec = 'V'<<24 | 'P'<<16 | '6'<<8 | 'F'
	VP6A    Codec = 'V'<<24 | 'P'<<16 | '6'<<8 | 'A' // with alpha
	AVC     Codec = 'a'<<24 | 'v'<<16 | 'c'<<8 | '1'
	HEVC    Codec = 'h'<<24 | 'v'<<16 | 'c'<<8 | '1'
	VVC     Codec = 'v'<<24 | 'v'<<16 | 'c'<<8 | '1'
	VP8     Codec = 'v'<<24 | 'p'<<16 | '0'<<8 | '8'
	VP9     Codec = 'v'<<24 | 'p'<<16 | '0'<<8 | '9'
	AV1     Codec = 'a'<<24 | 'v'<<16 | '0'<<8 | '1'
)

// The codecs of audio.
const (
	PCM        Codec = 'P'<<24 | 'C'<<16 | 'M'<<8 | ' '
	ADPCM      Codec = 'A'<<24 | 'D'<<16 | 'P'<<8 | 'C'
	MP3        Codec = '.'<<24 | 'm'<<16 | 'p'<<8 | '3'
	Nellymoser Codec = 'N'<<24 | 'E'<<16 | 'L'<<8 | 'L'
	ALaw       Codec = 'a'<<24 | 'l'<<16 | 'a'<<8 | 'w'
	MuLaw      Codec = 'u'<<24 | 'l'<<16 | 'a'<<8 | 'w'
	Speex      Codec = 'S'<<24 | 'P'<<16 | 'E'<<8 | 'X'
	AAC        Codec = 'm'<<24 | 'p'<<16 | '4'<<8 | 'a'
	AC3        Codec = 'a'<<24 | 'c'<<16 | '-'<<8 | '3'
	EAC3       Codec = 'e'<<24 | 'c'<<16 | '-'<<8 | '3'
	Opus       Codec = 'O'<<24 | 'p'<<16 | 'u'<<8 | 's'
	FLAC       Codec = 'f'<<24 | 'L'<<16 | 'a'<<8 | 'C'
)

// String is the four characters, "" for no codec; characters that cannot be shown are dots.
func (c Codec) String() string {
	if c == 0 {
		return ""
	}
	b := []byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)}
	for i, x := range b {
		if x < ' ' || x > '~' {
			b[i] = '.'
		}
	}
	return string(b)
}

// videoCodecs by the low nibble of the first byte. 12 is not Adobe's: encoders use it for HEVC in the
// layout of AVC.
var videoCodecs = [16]Codec{2: H263, 3: Screen, 4: VP6, 5: VP6A, 6: Screen2, 7: AVC, 12: HEVC}

// audioCodecs by the high nibble of the first byte.
var audioCodecs = [16]Codec{
	0: PCM, 1: ADPCM, 2: MP3, 3: PCM, 4: Nellymoser, 5: Nellymoser, 6: Nellymoser,
	7: ALaw, 8: MuLaw, 10: AAC, 11: Speex, 14: MP3,
}
