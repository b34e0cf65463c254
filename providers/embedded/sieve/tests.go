package sieve

import "strings"

// test answers a test.
func (r *run) test(c *command) (bool, error) {
	if err := r.step(1); err != nil {
		return false, err
	}
	switch c.name {
	case "true", "false":
		return c.name == "true", nil
	case "not":
		is, err := r.test(c.tests[0])
		return !is && err == nil, err
	case "allof", "anyof":
		// The first that decides ends it (RFC 5228 §5.2, §5.3).
		any := c.name == "anyof"
		for _, t := range c.tests {
			if is, err := r.test(t); err != nil || is == any {
				return is, err
			}
		}
		return !any, nil
	case "size":
		limit := c.args[0].number
		if c.has("over") {
			return uint64(r.message.size) > limit, nil
		}
		return uint64(r.message.size) < limit, nil
	case "exists":
		for _, name := range c.args[0].list {
			if len(r.message.raw(r.expand(name))) == 0 {
				return false, nil
			}
		}
		return true, nil
	case "header":
		var values []string
		for _, name := range c.args[0].list {
			for _, v := range indexed(c, r.message.raw(r.expand(name))) {
				values = append(values, decoded(v))
			}
		}
		return r.any(c.match, values, c.args[1].list)
	case "address":
		return r.addressTest(c)
	case "envelope":
		return r.envelopeTest(c)
	case "string":
		values := r.expandAll(c.args[0].list)
		if c.match.kind == "count" { // RFC 5229 §5: empty strings do not count
			var some []string
			for _, v := range values {
				if v != "" {
					some = append(some, v)
				}
			}
			values = some
		}
		return r.any(c.match, values, c.args[1].list)
	case "hasflag":
		return r.hasFlag(c)
	case "mailboxexists":
		for _, name := range c.args[0].list {
			if r.envelope.Mailbox != nil && !r.envelope.Mailbox(r.expand(name)) {
				return false, nil
			}
		}
		return true, nil
	case "specialuse_exists":
		for _, use := range c.args[1].list {
			if r.envelope.SpecialUse == nil || !r.envelope.SpecialUse(r.expand(use)) {
				return false, nil
			}
		}
		return c.args[0].list == nil || r.envelope.Mailbox == nil || r.envelope.Mailbox(r.expand(c.args[0].list[0])), nil
	case "body":
		return r.bodyTest(c)
	}
	return r.dateTest(c)
}

// indexed takes the one of several values that :index asks for (RFC 5260 §6).
func indexed(c *command, values []string) []string {
	a, ok := c.tags["index"]
	if !ok {
		return values
	}
	n := int64(len(values))
	i := int64(min(a.number, maxNumber-1)) - 1
	if c.has("last") {
		i = n - 1 - i
	}
	if i < 0 || i >= n {
		return nil
	}
	return values[i : i+1]
}

func (r *run) addressTest(c *command) (bool, error) {
	var values []string
	for _, name := range c.args[0].list {
		for _, v := range indexed(c, r.message.raw(r.expand(name))) {
			for _, a := range addresses(v) {
				if p, ok := part(c, a); ok {
					values = append(values, p)
				}
			}
			if err := r.step(1 + len(v)/64); err != nil {
				return false, err
			}
		}
	}
	return r.any(c.match, values, c.args[1].list)
}

func (r *run) envelopeTest(c *command) (bool, error) {
	var values []string
	for _, name := range c.args[0].list {
		switch strings.ToLower(r.expand(name)) {
		case "from":
			// The null path is an empty string in all its parts (RFC 5228 §5.4).
			if p, ok := part(c, r.envelope.From); ok {
				values = append(values, p)
			}
		case "to":
			if p, ok := part(c, r.envelope.To); ok {
				values = append(values, p)
			}
		case "auth":
			if r.envelope.Auth != "" {
				values = append(values, r.envelope.Auth)
			}
		}
	}
	return r.any(c.match, values, c.args[1].list)
}

// bodySteps is what it costs to read the body.
const bodySteps = 2000

func (r *run) bodyTest(c *command) (bool, error) {
	if err := r.step(bodySteps); err != nil {
		return false, err
	}
	var texts []string
	var err error
	switch content, ok := c.tags["content"]; {
	case c.has("raw"):
		var s string
		s, err = r.message.rawBody()
		texts = []string{s}
	case ok:
		texts, err = r.message.parts(r.expandAll(content.list))
	default:
		texts, err = r.message.parts([]string{"text"})
	}
	if err != nil {
		return false, err
	}
	return r.any(c.match, texts, c.args[0].list)
}
