package ldap

import "strings"

// A subschema is what a server knows of attributes and classes (RFC 4512 §4.2):
// their names in lower case.
type subschema struct {
	attributes map[string]bool
	// classes are those that entries can have beside their structural one, or are
	// structural themselves: true.
	classes map[string]bool
	// unknown is set where the server does not tell. Then what a block names is
	// believed, and what is only a standard is not.
	unknown bool
}

func (s *subschema) attribute(name string) bool {
	return s.unknown && !strings.HasPrefix(name, "mailform") || s.attributes[strings.ToLower(name)] || strings.Contains(name, ".")
}

func (s *subschema) class(name string) bool {
	_, ok := s.classes[strings.ToLower(name)]
	return ok || s.unknown && !strings.HasPrefix(name, "mailform") || strings.Contains(name, ".")
}

func (s *subschema) structural(name string) bool { return s.classes[strings.ToLower(name)] }

// newSubschema reads the descriptions of a server.
func newSubschema(attributes, classes []string) *subschema {
	s := &subschema{attributes: map[string]bool{}, classes: map[string]bool{}}
	s.unknown = len(attributes)+len(classes) == 0
	for _, d := range attributes {
		for _, n := range parseDescription(d).names {
			s.attributes[n] = true
		}
	}
	for _, d := range classes {
		parsed := parseDescription(d)
		for _, n := range parsed.names {
			s.classes[n] = !parsed.words["AUXILIARY"] && !parsed.words["ABSTRACT"]
		}
	}
	return s
}

// A description is what of a definition (RFC 4512 §4.1) is of interest.
type description struct {
	names []string // in lower case
	words map[string]bool
}

// parseDescription reads a definition:
// ( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC '…' SUP name ). What is no definition has
// no names.
func parseDescription(s string) description {
	d := description{words: map[string]bool{}}
	naming, depth := false, 0
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " \t\r\n") {
		switch s[0] {
		case '(':
			depth++
			s = s[1:]
		case ')':
			depth--
			naming = naming && depth > 1
			s = s[1:]
		case '\'':
			quoted, rest, ok := strings.Cut(s[1:], "'")
			if !ok {
				return d
			}
			if naming {
				d.names = append(d.names, strings.ToLower(quoted))
				naming = depth > 1
			}
			s = rest
		default:
			end := strings.IndexAny(s, " \t\r\n()'")
			if end < 0 {
				end = len(s)
			}
			naming = s[:end] == "NAME"
			d.words[s[:end]] = true
			s = s[end:]
		}
	}
	return d
}
