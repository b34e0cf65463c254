package dovecot

import (
	"strings"
)

// A tree is what is in force, as doveconf prints it: blocks in blocks.
type tree struct {
	values map[string]string
	// blocks by their names, "service imap-login"; those without a name of their own
	// are several.
	blocks map[string][]*tree
}

func newTree() *tree { return &tree{map[string]string{}, map[string][]*tree{}} }

// parseTree reads the output of doveconf. What it does not understand it leaves
// out: that is a setting that mailform does not look at.
func parseTree(text string) *tree {
	root := newTree()
	stack := []*tree{root}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		top := stack[len(stack)-1]
		switch {
		case line == "" || line[0] == '#':
		case line == "}":
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
		case strings.HasSuffix(line, "{") && !strings.Contains(line, " = "):
			sub := newTree()
			name := strings.TrimSpace(strings.TrimSuffix(line, "{"))
			top.blocks[name] = append(top.blocks[name], sub)
			stack = append(stack, sub)
		default:
			if key, value, ok := strings.Cut(line, "="); ok {
				top.values[strings.TrimSpace(key)] = unquote(strings.TrimSpace(value))
			}
		}
	}
	return root
}

// unquote undoes the quotes that doveconf puts around some values.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	s = s[1 : len(s)-1]
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// block is the first block of a name; an empty one where there is none.
func (t *tree) block(name string) *tree {
	if list := t.blocks[name]; len(list) > 0 {
		return list[0]
	}
	return newTree()
}

// get finds a setting by its path: "protocol imap/mail_plugins".
func (t *tree) get(path string) (string, bool) {
	parts := strings.Split(path, "/")
	for _, p := range parts[:len(parts)-1] {
		list := t.blocks[p]
		if len(list) == 0 {
			return "", false
		}
		t = list[0]
	}
	name := parts[len(parts)-1]
	// From 2.4 on, what is set of settings that belong together is printed as a
	// block: ssl_server_cert_file as cert_file of ssl_server.
	for i, c := range name {
		if c != '_' {
			continue
		}
		for _, b := range t.blocks[name[:i]] {
			if v, ok := b.values[name[i+1:]]; ok {
				return v, true
			}
		}
	}
	v, ok := t.values[name]
	return v, ok
}
