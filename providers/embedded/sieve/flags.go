package sieve

import (
	"slices"
	"strings"
)

// maxFlags bounds the flags of a message and of a variable.
const maxFlags = 64

// systemFlags are those that RFC 9051 defines and a script may set.
var systemFlags = []string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`}

// splitFlags makes of a list of strings, which may hold several flags each, a set
// of flags (RFC 5232 §2). What is no flag is left out.
func splitFlags(list []string) (flags []string) {
	for _, s := range list {
		for _, f := range strings.Fields(s) {
			if f = flag(f); f == "" || len(flags) >= maxFlags || containsFold(flags, f) {
				continue
			}
			flags = append(flags, f)
		}
	}
	return flags
}

// flag is a flag as it is stored; empty: it is none.
func flag(f string) string {
	if strings.HasPrefix(f, `\`) {
		i := slices.IndexFunc(systemFlags, func(s string) bool { return strings.EqualFold(s, f) })
		if i < 0 {
			return ""
		}
		return systemFlags[i]
	}
	for i := range len(f) {
		if c := f[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return ""
		}
	}
	if len(f) > 128 {
		return ""
	}
	return f
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(o string) bool { return strings.EqualFold(o, s) })
}

// flagsOf are the flags that a command gives to a message.
func (r *run) flagsOf(c *command) []string {
	if a, ok := c.tags["flags"]; ok {
		return splitFlags(r.expandAll(a.list))
	}
	return slices.Clone(r.flags)
}

// changeFlags carries out setflag, addflag and removeflag.
func (r *run) changeFlags(c *command) {
	name := ""
	if c.args[0].list != nil {
		name = c.args[0].list[0]
	}
	have := r.flags
	if name != "" {
		value, _ := r.variable(name)
		have = splitFlags([]string{value})
	}
	given := splitFlags(r.expandAll(c.args[1].list))
	switch c.name {
	case "setflag":
		have = given
	case "addflag":
		have = splitFlags(append(slices.Clone(have), given...))
	case "removeflag":
		have = slices.DeleteFunc(slices.Clone(have), func(f string) bool { return containsFold(given, f) })
	}
	if name == "" {
		r.flags = have
		return
	}
	r.assign(name, strings.Join(have, " "))
}

// hasFlag looks for flags in the internal set or in variables.
func (r *run) hasFlag(c *command) (bool, error) {
	flags := r.flags
	if c.args[0].list != nil {
		var texts []string
		for _, name := range c.args[0].list {
			value, _ := r.variable(r.expand(name))
			texts = append(texts, value)
		}
		flags = splitFlags(texts)
	}
	keys := c.args[1].list
	if c.match.kind == "is" {
		// A string of several flags asks for any of them.
		keys = nil
		for _, k := range r.expandAll(c.args[1].list) {
			keys = append(keys, strings.Fields(k)...)
		}
	}
	return r.any(c.match, flags, keys)
}
