package ldap

import "strings"

// A subschema is what a server knows of attributes and classes (RFC 4512 §4.2):
// their names in lower case.
type subschema struct {
	attributes map[string]bool
	// names are the attributes whose values are names of entries.
	names   map[string]bool
	classes map[string]bool
	// unknown is set where the server does not tell. Then what a block names is
	// believed, and what is only a standard is not.
	unknown bool
}

func (s *subschema) attribute(name string) bool {
	return s.unknown && !strings.HasPrefix(name, "mailform") || s.attributes[strings.ToLower(name)] || strings.Contains(name, ".")
}

func (s *subschema) class(name string) bool {
	return s.classes[strings.ToLower(name)] || s.unknown && !strings.HasPrefix(name, "mailform") || strings.Contains(name, ".")
}

// isDN reports whether the values of an attribute are names of entries.
func (s *subschema) isDN(name string) bool {
	low := strings.ToLower(name)
	return s.names[low] || s.unknown && (low == "member" || low == "uniquemember")
}

// syntaxDN is that of names of entries (RFC 4517 §3.3.9).
const syntaxDN = "1.3.6.1.4.1.1466.115.121.1.12"

// newSubschema reads the descriptions of a server.
func newSubschema(attributes, classes []string) *subschema {
	s := &subschema{attributes: map[string]bool{}, names: map[string]bool{}, classes: map[string]bool{}}
	s.unknown = len(attributes)+len(classes) == 0
	for _, d := range attributes {
		parsed := parseDescription(d)
		for _, n := range parsed.names {
			s.attributes[n] = true
			// What other attributes are made of is one level deep where it matters:
			// member and owner are made of distinguishedName.
			if parsed.syntax == syntaxDN || parsed.above == "distinguishedname" {
				s.names[n] = true
			}
		}
	}
	for _, d := range classes {
		for _, n := range parseDescription(d).names {
			s.classes[n] = true
		}
	}
	return s
}

// A description is what of a definition (RFC 4512 §4.1) is of interest.
type description struct {
	names []string // in lower case
	// above is what SUP names, syntax what SYNTAX does; empty: nothing.
	above, syntax string
}

// parseDescription reads a definition:
// ( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC '…' SUP name ). What is no definition has
// no names.
func parseDescription(s string) description {
	var d description
	naming, depth, before := false, 0, ""
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
			switch before {
			case "SUP":
				d.above = strings.ToLower(s[:end])
			case "SYNTAX":
				d.syntax, _, _ = strings.Cut(s[:end], "{")
			}
			before = s[:end]
			s = s[end:]
		}
	}
	return d
}
