package value

import (
	"testing"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

// rpcValues are the arguments of a typical call: a text, a number, an object with an array.
const rpcValues = `"hello everybody", 42, {name="Alice", x=12.5, y=300, tags={"a","b","c"}}`

func rpc(b *testing.B) (r *rig, vs []lua.LValue, values []amf.Value, message []byte) {
	r = newRig(b)
	vs = r.eval("return " + rpcValues)
	for _, v := range vs {
		values = append(values, r.ToAMF(v))
	}
	message, err := r.Encode(nil, ObjectEncoding3, vs...)
	if err != nil {
		b.Fatal(err)
	}
	return r, vs, values, message
}

func BenchmarkRPCFromAMF(b *testing.B) {
	r, _, values, _ := rpc(b)
	b.ReportAllocs()
	var dst []lua.LValue
	for b.Loop() {
		dst = r.AppendFromAMF(dst[:0], values...)
	}
}

func BenchmarkRPCToAMF(b *testing.B) {
	r, vs, _, _ := rpc(b)
	b.ReportAllocs()
	for b.Loop() {
		for _, v := range vs {
			_ = r.ToAMF(v)
		}
	}
}

func BenchmarkRPCDecode(b *testing.B) {
	r, _, _, message := rpc(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(message)))
	var dst []lua.LValue
	for b.Loop() {
		dst, _ = r.Decode(dst[:0], message)
	}
}

func BenchmarkRPCEncode(b *testing.B) {
	r, vs, _, message := rpc(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(message)))
	var dst []byte
	for b.Loop() {
		dst, _ = r.Encode(dst[:0], ObjectEncoding3, vs...)
	}
}

func BenchmarkScalars(b *testing.B) {
	r := newRig(b)
	vs := r.eval(`return 7, true, nil, 1000`)
	b.ReportAllocs()
	var dst []byte
	var back []lua.LValue
	for b.Loop() {
		dst, _ = r.Encode(dst[:0], ObjectEncoding3, vs...)
		back, _ = r.Decode(back[:0], dst)
	}
}

func BenchmarkJSON(b *testing.B) {
	r, vs, _, _ := rpc(b)
	b.ReportAllocs()
	for b.Loop() {
		text, _ := r.ToJSON(vs...)
		if _, err := r.FromJSON(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkXML(b *testing.B) {
	r := newRig(b)
	const document = `<?xml version="1.0" ?><doc ><art n="1" ><p >One &amp; two</p></art></doc>`
	b.ReportAllocs()
	for b.Loop() {
		table, err := r.FromXML(document)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.ToXML(table); err != nil {
			b.Fatal(err)
		}
	}
}
