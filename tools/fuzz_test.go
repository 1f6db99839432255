package tools

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"sandbox_id":"i0","files":"a","limit":"3","skip":2.0}`, `{}`, `null`, `[1]`, `{"files":["a",1]}`, `{"files":"[\"a\"]"}`, `{"limit":-0}`} {
		f.Add(s)
	}
	params := append(logTool().params, editTool().params...)
	f.Fuzz(func(t *testing.T, raw string) {
		args, wrong := decode([]byte(raw), params)
		if wrong != nil {
			text := wrong.result().Text
			if !strings.HasPrefix(text, "["+codeArgument+"] ") || strings.ContainsAny(text, "\x00\x1b\r") || len(text) > 2000 {
				t.Errorf("%q", text)
			}
			return
		}
		for name := range args {
			if !strings.Contains(raw, "\"") {
				t.Errorf("%s out of %q", name, raw)
			}
		}
		if args.string("sandbox_id") == "" {
			t.Errorf("a required argument is empty: %q", raw)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31mb\r\nc\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(plain(s))
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\x1b\r\u202e\u200b") {
			t.Errorf("%q", got)
		}
		if clean(got) != got {
			t.Errorf("not the same the second time: %q", got)
		}
	})
}

func FuzzHeadTail(f *testing.F) {
	f.Add("some output\nof a command\n", 5, 3)
	f.Fuzz(func(t *testing.T, s string, most, chunk int) {
		if most < 1 || most > 1000 || chunk < 1 || len(s) > 10_000 {
			return
		}
		h := &headTail{most: most}
		for rest := s; rest != ""; {
			n := min(chunk, len(rest))
			if k, err := h.Write([]byte(rest[:n])); k != n || err != nil {
				t.Fatal(k, err)
			}
			rest = rest[n:]
		}
		text, cut := h.text()
		if cut != (len(s) > 2*most) {
			t.Errorf("cut %v: %d bytes, most %d", cut, len(s), most)
		}
		if !cut && text != clean(plain(s)) {
			t.Errorf("%q is not %q", text, s)
		}
		if len(h.tail) > 2*most || cap(h.head) > 4*most+64 {
			t.Errorf("holds %d and %d bytes, most %d", len(h.head), len(h.tail), most)
		}
	})
}
