package tools

import (
	"bytes"
	"encoding/json"
)

// kind is the type of an argument or of a field.
type kind string

const (
	kindString  kind = "string"
	kindInteger kind = "integer"
	kindBoolean kind = "boolean"
	kindStrings kind = "array"
	kindObject  kind = "object"
)

// A param is one argument of a tool: what its schema says, and what is checked.
type param struct {
	name        string
	kind        kind
	description string
	required    bool
	mayBeEmpty  bool // a required string that may be ""
	enum        []string
	min, max    int // of an integer; no max where it is 0
}

// A field is one field of a structure that a tool returns. The fields of an array
// of objects are in items.
type field struct {
	name        string
	kind        kind
	description string
	optional    bool
	items       []field
}

// property is a JSON Schema as it is encoded: single types only, and nothing that
// combines schemas, since some hosts take neither.
type property struct {
	Type        kind            `json:"type"`
	Description string          `json:"description,omitempty"`
	Enum        []string        `json:"enum,omitempty"`
	Minimum     *int            `json:"minimum,omitempty"`
	Maximum     *int            `json:"maximum,omitempty"`
	Items       json.RawMessage `json:"items,omitempty"`
}

var stringItems = json.RawMessage(`{"type":"string"}`) //nolint:gochecknoglobals // a constant

// inputSchema returns the schema of the arguments, in the order of the params.
func inputSchema(params []param) json.RawMessage {
	o := object{closed: true}
	for _, p := range params {
		s := property{Type: p.kind, Description: p.description, Enum: p.enum}
		if p.min != 0 {
			s.Minimum = &p.min
		}
		if p.max != 0 {
			s.Maximum = &p.max
		}
		if p.kind == kindStrings {
			s.Items = stringItems
		}
		o.add(p.name, s, p.required)
	}
	return o.encode()
}

// outputSchema returns the schema of a structure.
func outputSchema(fields []field) json.RawMessage {
	var o object
	for _, f := range fields {
		s := property{Type: f.kind, Description: f.description}
		switch {
		case len(f.items) > 0:
			s.Items = outputSchema(f.items)
		case f.kind == kindStrings:
			s.Items = stringItems
		}
		o.add(f.name, s, !f.optional)
	}
	return o.encode()
}

// object is a schema whose properties keep their order, for the reader's sake.
type object struct {
	closed     bool
	properties bytes.Buffer
	required   []string
}

func (o *object) add(name string, p property, required bool) {
	if o.properties.Len() > 0 {
		o.properties.WriteByte(',')
	}
	o.properties.Write(encode(name))
	o.properties.WriteByte(':')
	o.properties.Write(encode(p))
	if required {
		o.required = append(o.required, name)
	}
}

func (o *object) encode() json.RawMessage {
	var b bytes.Buffer
	b.WriteString(`{"type":"object"`)
	if o.properties.Len() > 0 {
		b.WriteString(`,"properties":{` + o.properties.String() + `}`)
	}
	if len(o.required) > 0 {
		b.WriteString(`,"required":`)
		b.Write(encode(o.required))
	}
	if o.closed {
		b.WriteString(`,"additionalProperties":false`)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// encode encodes what cannot fail.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
