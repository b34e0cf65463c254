package sieve

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// A Script is a script that was read and found in order.
type Script struct {
	commands []*command
	// variables: the strings may have variables in them.
	variables bool
}

// A command is a command or a test whose words and arguments are known.
type command struct {
	name  string
	pos   Pos
	tags  map[string]argument // that were given; of those with a value, the value
	args  []argument          // in the order of its word; an optional one may have no list
	tests []*command
	block []*command
	match match
}

func (c *command) has(tag string) bool { _, ok := c.tags[tag]; return ok }

// Parse reads a script and checks all of it. The error is an [*Error].
func Parse(text string) (*Script, error) {
	nodes, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := checker{required: map[string]bool{}}
	s := &Script{}
	if s.commands, err = c.commands(nodes, true); err != nil {
		return nil, err
	}
	s.variables = c.required["variables"]
	return s, nil
}

// A checker knows the words.
type checker struct {
	required map[string]bool
}

func (c *checker) commands(nodes []*node, top bool) (list []*command, err *Error) {
	before, onlyRequires := "", top
	for _, n := range nodes {
		w, known := words[n.name]
		switch {
		case !known || w.test:
			return nil, c.unknown(n, "command")
		case (n.name == "elsif" || n.name == "else") && before != "if" && before != "elsif":
			return nil, errorf(n.pos, "%q has no \"if\" right before it", n.name)
		case n.name == "require" && !onlyRequires:
			return nil, errorf(n.pos, "\"require\" stands before all other commands")
		}
		cmd, err := c.command(n, w)
		if err != nil {
			return nil, err
		}
		before = n.name
		if n.name == "require" {
			if err := c.require(cmd); err != nil {
				return nil, err
			}
			continue
		}
		onlyRequires = false
		list = append(list, cmd)
	}
	return list, nil
}

func (c *checker) require(cmd *command) *Error {
	for _, name := range cmd.args[0].list {
		if _, ok := extensions[name]; !ok {
			return errorf(cmd.args[0].pos, "the extension %q is not known here%s", name, meant(name, maps.Keys(extensions)))
		}
		c.required[name] = true
	}
	return nil
}

// unknown says that a name is not a command or a test.
func (c *checker) unknown(n *node, what string) *Error {
	other := "test"
	if what == other {
		other = "command"
	}
	if w, ok := words[n.name]; ok {
		return errorf(n.pos, "%q is a %s, and a %s was expected", n.name, map[bool]string{true: "test", false: "command"}[w.test], what)
	}
	return errorf(n.pos, "there is no %s %q%s", what, n.name, meant(n.name, func(yield func(string) bool) {
		for name, w := range words {
			if w.test == (what == "test") && !yield(name) {
				return
			}
		}
	}))
}

// meant asks whether another name was meant.
func meant(name string, among func(func(string) bool)) string {
	best, least := "", 3
	for _, other := range slices.Sorted(among) {
		if d := levenshtein.Distance(name, other, nil); d < least {
			best, least = other, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(". Did you mean %q?", best)
}

func (c *checker) command(n *node, w word) (*command, *Error) {
	if w.extension != "" && !c.required[w.extension] {
		return nil, errorf(n.pos, "%q needs: require %q;", n.name, w.extension)
	}
	cmd := &command{name: n.name, pos: n.pos, tags: map[string]argument{}}
	if err := c.arguments(cmd, n, w); err != nil {
		return nil, err
	}
	if err := c.structure(cmd, n, w); err != nil {
		return nil, err
	}
	return cmd, c.meaning(cmd, w)
}

// arguments tells the tags of a command, their values and its other arguments apart.
func (c *checker) arguments(cmd *command, n *node, w word) *Error {
	groups := map[string]string{}
	rest := n.args
	for len(rest) > 0 && rest[0].kind == argTag {
		a := rest[0]
		rest = rest[1:]
		t, ok := w.tags[a.tag]
		if !ok {
			return errorf(a.pos, "%q takes no \":%s\"%s", n.name, a.tag, meant(":"+a.tag, func(yield func(string) bool) {
				for t := range w.tags {
					if !yield(":" + t) {
						return
					}
				}
			}))
		}
		if t.extension != "" && !c.required[t.extension] {
			return errorf(a.pos, "\":%s\" needs: require %q;", a.tag, t.extension)
		}
		group := t.group
		if group == "" {
			group = a.tag
		}
		if before, twice := groups[group]; twice {
			if before == a.tag {
				return errorf(a.pos, "\":%s\" is given twice", a.tag)
			}
			return errorf(a.pos, "\":%s\" and \":%s\" exclude each other", before, a.tag)
		}
		groups[group] = a.tag
		if t.value == argTag {
			cmd.tags[a.tag] = a
			continue
		}
		if len(rest) == 0 {
			return errorf(a.pos, "%s was expected after \":%s\"", t.value, a.tag)
		}
		v := rest[0]
		rest = rest[1:]
		if err := c.value(&v, t.value, "after \":"+a.tag+"\""); err != nil {
			return err
		}
		cmd.tags[a.tag] = v
	}
	want := w.args
	if w.optional && len(rest) < len(want) {
		cmd.args = append(cmd.args, argument{pos: n.pos})
		want = want[1:]
	}
	for i, kind := range want {
		if i >= len(rest) {
			return errorf(n.pos, "%q lacks %s", n.name, kind)
		}
		a := rest[i]
		if a.kind == argTag {
			return errorf(a.pos, "\":%s\" stands after other arguments", a.tag)
		}
		if err := c.value(&a, kind, fmt.Sprintf("as argument %d of %q", i+1, n.name)); err != nil {
			return err
		}
		cmd.args = append(cmd.args, a)
	}
	if len(rest) > len(want) {
		return errorf(rest[len(want)].pos, "%q takes no further argument", n.name)
	}
	return nil
}

// value checks the type of an argument and puts encoded characters in.
func (c *checker) value(a *argument, want argumentKind, where string) *Error {
	if a.kind != want && !(want == argList && a.kind == argString) {
		return errorf(a.pos, "%s was expected %s, and this is %s", want, where, a.kind)
	}
	if !c.required["encoded-character"] || a.list == nil {
		return nil
	}
	list := make([]string, len(a.list))
	for i, s := range a.list {
		var err error
		if list[i], err = decodeCharacters(s); err != nil {
			return errorf(a.pos, "%v", err)
		}
	}
	a.list = list
	return nil
}

// structure checks the tests and the block of a command.
func (c *checker) structure(cmd *command, n *node, w word) (err *Error) {
	switch {
	case w.tests == noTest && (len(n.tests) > 0 || n.parens):
		return errorf(n.tests[0].pos, "%q takes no test. A \";\" may be missing before it", n.name)
	case w.tests == oneTest && n.parens:
		return errorf(n.pos, "%q takes one test, without parentheses. Write allof(…) or anyof(…) for several", n.name)
	case w.tests == oneTest && len(n.tests) == 0:
		return errorf(n.pos, "%q lacks its test", n.name)
	case w.tests == manyTests && !n.parens:
		return errorf(n.pos, "%q takes its tests in parentheses", n.name)
	case w.block && !n.braces:
		return errorf(n.pos, "%q lacks its block: { … }", n.name)
	case !w.block && n.braces:
		return errorf(n.pos, "%q takes no block", n.name)
	}
	for _, t := range n.tests {
		tw, known := words[t.name]
		if !known || !tw.test {
			return c.unknown(t, "test")
		}
		if t.braces {
			return errorf(t.pos, "%q takes no block", t.name)
		}
		test, err := c.command(t, tw)
		if err != nil {
			return err
		}
		cmd.tests = append(cmd.tests, test)
	}
	cmd.block, err = c.commands(n.block, false)
	return err
}

// constant reports whether a string has no variables in it.
func (c *checker) constant(s string) bool {
	return !c.required["variables"] || !strings.Contains(s, "${")
}

// meaning checks what single commands ask for.
func (c *checker) meaning(cmd *command, w word) *Error {
	if _, matches := w.tags["comparator"]; matches {
		if err := c.matching(cmd); err != nil {
			return err
		}
	}
	if err := c.flags(cmd); err != nil {
		return err
	}
	first := func(what string, ok func(string) bool) *Error {
		if a := cmd.args[0]; c.constant(a.list[0]) && !ok(a.list[0]) {
			return errorf(a.pos, "%q is %s", a.list[0], what)
		}
		return nil
	}
	switch cmd.name {
	case "size":
		if !cmd.has("over") && !cmd.has("under") {
			return errorf(cmd.pos, "\"size\" lacks \":over\" or \":under\"")
		}
	case "header", "exists", "address", "date":
		for _, name := range cmd.args[0].list {
			if c.constant(name) && !isFieldName(name) {
				return errorf(cmd.args[0].pos, "%q is no name of a header field", name)
			}
			if cmd.name == "address" && c.constant(name) && !slices.Contains(addressFields, strings.ToLower(name)) {
				return errorf(cmd.args[0].pos, "the field %q holds no addresses. The test for it is \"header\"", name)
			}
		}
	case "envelope":
		for _, name := range cmd.args[0].list {
			if n := strings.ToLower(name); c.constant(name) && n != "from" && n != "to" && n != "auth" {
				return errorf(cmd.args[0].pos, "an envelope has no %q: expected \"from\", \"to\" or \"auth\"", name)
			}
		}
	case "redirect":
		return first("no mail address", isAddress)
	case "fileinto":
		return first("no name of a mailbox", isMailboxName)
	case "set":
		if name := cmd.args[0].list[0]; !isVariable(name) {
			return errorf(cmd.args[0].pos, "%q is no name of a variable", name)
		}
	case "vacation":
		return c.vacation(cmd)
	}
	if cmd.has("last") && !cmd.has("index") {
		return errorf(cmd.tags["last"].pos, "\":last\" goes with \":index\"")
	}
	if i, ok := cmd.tags["index"]; ok && i.number == 0 {
		return errorf(i.pos, "\":index\" counts from 1")
	}
	return c.dates(cmd)
}

func (c *checker) flags(cmd *command) *Error {
	switch cmd.name {
	case "setflag", "addflag", "removeflag", "hasflag":
		for _, name := range cmd.args[0].list {
			if c.constant(name) && !isVariable(name) {
				return errorf(cmd.args[0].pos, "%q is no name of a variable", name)
			}
		}
		if cmd.args[0].list != nil && !c.required["variables"] {
			return errorf(cmd.args[0].pos, "a variable for flags needs: require \"variables\";")
		}
	}
	return nil
}

func (c *checker) vacation(cmd *command) *Error {
	if from, ok := cmd.tags["from"]; ok && c.constant(from.list[0]) {
		if _, err := parseMailAddress(from.list[0]); err != nil {
			return errorf(from.pos, "%q is no mail address", from.list[0])
		}
	}
	for _, a := range cmd.tags["addresses"].list {
		if c.constant(a) && !isAddress(a) {
			return errorf(cmd.tags["addresses"].pos, "%q is no mail address", a)
		}
	}
	return nil
}

func (c *checker) dates(cmd *command) *Error {
	if cmd.name != "date" && cmd.name != "currentdate" {
		return nil
	}
	part := cmd.args[len(cmd.args)-2]
	if s := part.list[0]; c.constant(s) && !slices.Contains(dateParts, strings.ToLower(s)) {
		return errorf(part.pos, "a date has no part %q%s", s, meant(strings.ToLower(s), slices.Values(dateParts)))
	}
	if zone, ok := cmd.tags["zone"]; ok && c.constant(zone.list[0]) {
		if _, err := parseZone(zone.list[0]); err != nil {
			return errorf(zone.pos, "%v", err)
		}
	}
	return nil
}
