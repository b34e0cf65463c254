package plain

import "github.com/mailform/mailform/schema"

// names are the words that files are full of, each once in memory.
var names = func() map[string]string {
	m := map[string]string{}
	for _, b := range schema.Blocks() {
		m[b.Type] = b.Type
		for i := range b.Attributes {
			m[b.Attributes[i].Name] = b.Attributes[i].Name
		}
		for i := range b.Blocks {
			m[b.Blocks[i].Type] = b.Blocks[i].Type
			for j := range b.Blocks[i].Attributes {
				m[b.Blocks[i].Attributes[j].Name] = b.Blocks[i].Attributes[j].Name
			}
		}
	}
	return m
}()

// known is the text of a name.
func known(b []byte) string {
	if s, ok := names[string(b)]; ok {
		return s
	}
	return string(b)
}
