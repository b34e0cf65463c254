package ignore

// Match holds a pattern against a text.
func Match(text, against string, dots bool) (bool, error) {
	p, err := compile(text)
	return err == nil && p.matches(against, dots), err
}
