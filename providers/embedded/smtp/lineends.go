package smtp

import "bytes"

// lineEnds finds the end of a message sent with DATA. It is fed with lines, or
// parts of long lines, and sees the end exactly where go-smtp's reader sees it,
// which counts CR CR LF as no end of line: the wire stops at the end, and a wire
// that stopped elsewhere than the engine would read commands as content or
// content as commands. (Messages with CR CR LF are refused later.)
//
// The zero value stands at the start of a message.
type lineEnds struct {
	inLine bool // not at the start of a line
	odd    bool // an odd number of CRs in a row came last
	dot    bool // of the line so far, only its first byte, a dot, has come
	dotCR  bool // only a dot and a CR have come
	// swallowed says that a line of this message began with a dot and a CR that
	// was not the end: the engine drops that CR without anyone seeing it.
	swallowed bool
}

// next takes a part that ends in LF, or without one when the line goes on. It
// says whether that was the end of the message.
func (e *lineEnds) next(part []byte) bool {
	body, lf := bytes.CutSuffix(part, lf)
	// After the third byte of a line, none of this can be so any more.
	for _, c := range body[:min(len(body), 3)] {
		switch {
		case !e.inLine && c == '.':
			e.dot = true
		case e.dot && c == '\r':
			e.dot, e.dotCR = false, true
		default:
			e.swallowed = e.swallowed || e.dotCR
			e.dot, e.dotCR = false, false
		}
		e.inLine = true
	}
	text := bytes.TrimRight(body, "\r")
	crs := (len(body)-len(text))%2 == 1
	if len(text) == 0 {
		e.odd = e.odd != crs
	} else {
		e.odd = crs
	}
	if !lf {
		return false
	}
	end := e.dotCR && e.odd
	*e = lineEnds{inLine: !e.odd, swallowed: e.swallowed}
	return end
}

var lf = []byte("\n")
