package host

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

// afterwardsAtMost is how long a program that has ended, or has to, is waited for.
const afterwardsAtMost = 5 * time.Second

// afterwards is closed a second after a program has: what it has left behind, as a
// daemon, may hold on to its output.
func afterwards() <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(done) })
	return done
}

// A bounded buffer drops what is more than maxOutput. It may be taken from while
// it is still written to.
type bounded struct {
	mu   sync.Mutex
	b    []byte
	more bool
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(p), maxOutput-len(b.b))
	b.b = append(b.b, p[:n]...)
	b.more = b.more || n < len(p)
	return len(p), nil
}

func (b *bounded) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b[:len(b.b):len(b.b)]
}

func (b *bounded) over() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.more
}

// An opening is the output of a script. What comes before the line that it
// begins with is a login shell's that talks.
type opening struct {
	bounded
	token string
	seen  chan struct{} // closed with that line
	found bool
	noise []byte
	began string
}

func (o *opening) Write(p []byte) (int, error) {
	if o.found {
		return o.bounded.Write(p)
	}
	o.mu.Lock()
	o.noise = append(o.noise, p...)
	if at := bytes.Index(o.noise, []byte(o.token)); at >= 0 {
		if line, rest, ok := bytes.Cut(o.noise[at:], []byte("\n")); ok {
			o.began = strings.TrimPrefix(string(line), o.token+" ")
			o.found, o.noise = true, nil
			o.b = append(o.b, rest...)
			close(o.seen)
		}
	} else if len(o.noise) > 1<<20 {
		o.noise = o.noise[len(o.noise)-2*len(o.token):]
	}
	o.mu.Unlock()
	return len(p), nil
}

// group is the process group of the script, where it is known.
func (o *opening) group() (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := o.began
	if len(g) < 2 || strings.Trim(g, "0123456789") != "" { // 1 and 0 are somebody else's
		return "", false
	}
	return g, true
}

func (o *opening) reply() reply {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := reply{began: o.began}
	r.Stdout = o.b[:len(o.b):len(o.b)]
	if o.began == "" {
		r.Stdout = o.noise
	}
	return r
}
