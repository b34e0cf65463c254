package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// A shell is a machine on which commands can be run by a shell, and nothing
// else: it reads and writes files by POSIX sh and the programs that coreutils
// and busybox have. Each call is one command, whatever the number of files.
//
// Nothing variable stands in the command: a script and its arguments come on
// standard input, with a token at their end, so that half a script is never run,
// what a command says stays out of the list of processes, and arguments may be
// as long as they like. What files are to hold follows as it is.
type shell struct {
	// start begins a command.
	start func(ctx context.Context, command string) (stream, error)
	name  string
	// root has commands run by sudo.
	root bool
	// block is the block of the language that names it; empty: none does.
	block string
}

// A stream is a command that runs.
type stream interface {
	io.Writer // its input
	// CloseWrite ends its input.
	CloseWrite() error
	// Outputs are its output and its error output.
	Outputs() (stdout, stderr io.Reader)
	// Wait waits for its end: its exit status, -1 where a signal ended it.
	Wait(ctx context.Context) (int, error)
	// Close lets go of it.
	Close() error
}

func (s *shell) String() string { return s.name }

// quote makes one word of a shell of a text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// loader is the command: it reads a script up to the token, and runs it. Every
// shell that a user may have as the login shell reads it alike: it has no single
// quotes, no exclamation marks and no line ends.
const loader = `n=$(printf "\nx"); n=${n%%x}; s=; while IFS= read -r l; do [ "$l" = "#%[1]s" ] && { eval "$s"; exit; }; s="$s$l$n"; done; exit 255`

// prelude begins every script: it says that the script runs, and what its
// process group is.
const prelude = `LC_ALL=C; export LC_ALL; PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; export PATH
read -r _ _ _ _ g _ 2>/dev/null </proc/$$/stat || g=$$
`

// newToken is a word that no text has that was there before.
func newToken() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// maxOutput bounds what a program may say, in bytes.
const maxOutput = MaxFile*3/2 + 1<<20

// A reply is what a script has said.
type reply struct {
	Output
	// began is the line that it began with, after the token; empty: it never did.
	began string
}

// do runs a script to its end. stdin comes after it. With kill the script is
// ended with all that it has started when it is given up; else its input ends,
// so that it can clean up.
func (s *shell) do(ctx context.Context, script string, kill bool, stdin ...[]byte) (reply, error) {
	token := newToken()
	command := "sh -c " + quote(fmt.Sprintf(loader, token))
	if s.root {
		command = "sudo -n -- " + command
	}
	st, err := s.start(ctx, command)
	if err != nil {
		return reply{}, err
	}
	// Once ctx has ended the input is ended too, at whatever point it is.
	feed := make(chan struct{})
	go func() {
		defer close(feed)
		in := append([][]byte{[]byte("T=" + token + "\n" + prelude + script + "\n#" + token + "\n")}, stdin...)
		for _, part := range in {
			for len(part) > 0 && ctx.Err() == nil {
				n := min(len(part), 64<<10)
				if _, err := st.Write(part[:n]); err != nil {
					return // the end of the script says why
				}
				part = part[n:]
			}
		}
		_ = st.CloseWrite()
	}()
	stdout, stderr := st.Outputs()
	out := &opening{token: token, seen: make(chan struct{})}
	errs := &bounded{}
	copied := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(out, stdout); copied <- struct{}{} }()
	go func() { _, _ = io.Copy(errs, stderr); copied <- struct{}{} }()

	code, err := st.Wait(ctx)
	if err != nil && ctx.Err() != nil {
		s.giveUp(ctx, st, out, kill)
	}
	after := afterwards()
	for range 2 {
		select { // what goes on as a daemon may hold on to the output
		case <-copied:
		case <-after:
		}
	}
	_ = st.Close()
	<-feed
	r := out.reply()
	r.Stderr, r.Code = errs.take(), code
	switch {
	case ctx.Err() != nil && err != nil:
		return r, ctx.Err()
	case err != nil:
		return r, fmt.Errorf("%s: %w", s.name, err)
	case out.over() || errs.over():
		return r, fmt.Errorf("%s: the output has more than %d bytes", s.name, maxOutput)
	case r.began == "":
		return r, s.refused(r)
	}
	return r, nil
}

// giveUp ends what runs.
func (s *shell) giveUp(ctx context.Context, st stream, out *opening, kill bool) {
	after := afterwards()
	if kill {
		select {
		case <-out.seen:
		case <-after:
		}
		if group, ok := out.group(); ok {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwardsAtMost)
			defer cancel()
			_, _ = s.do(ctx, "kill -9 -"+group, false) // or it has ended
		}
	}
	_ = st.CloseWrite()
	if !kill { // it sees the end of its input, and cleans up
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwardsAtMost)
		defer cancel()
		_, _ = st.Wait(ctx)
	}
}

// refused is the error of a command that did not even begin.
func (s *shell) refused(r reply) error {
	why := said(r.Output)
	switch {
	case s.root && strings.Contains(why, "sudo: "):
		return fmt.Errorf("%s: sudo is refused: %s. It has to work without a password, as \"sudo -n true\" does", s.name, strings.TrimPrefix(why, "sudo: "))
	case s.root && strings.Contains(why, "sudo"):
		return fmt.Errorf("%s: sudo cannot be run: %s", s.name, why)
	case why == "":
		why = fmt.Sprintf("exit status %d, without a word", r.Code)
	}
	return fmt.Errorf("%s: no commands can be run: %s", s.name, why)
}

// Run implements Host.
func (s *shell) Run(ctx context.Context, c Command) (Output, error) {
	if err := passable(append(append([]string{c.Dir}, c.Args...), c.Env...)...); err != nil {
		return Output{}, err
	}
	var b strings.Builder
	if c.Dir != "" {
		fmt.Fprintf(&b, "cd %s 2>/dev/null || { echo \"$T dir\"; exit; }\n", quote(slashed(c.Dir)))
	}
	fmt.Fprintf(&b, "command -v %s >/dev/null || { echo \"$T program\"; exit; }\necho \"$T $g\"\nexec", quote(c.Args[0]))
	if len(c.Env) > 0 {
		b.WriteString(" env")
	}
	for _, word := range append(c.Env[:len(c.Env):len(c.Env)], c.Args...) {
		b.WriteString(" " + quote(word))
	}
	r, err := s.do(ctx, b.String(), true, c.Stdin)
	name := c.Args[0][strings.LastIndexByte(c.Args[0], '/')+1:]
	switch {
	case err != nil && ctx.Err() != nil, errors.Is(err, ErrLost):
		return r.Output, fmt.Errorf("%s: %w", name, err)
	case err != nil:
		return r.Output, err
	case r.began == "dir":
		return Output{}, fmt.Errorf("%s: there is no directory %s to run in", name, c.Dir)
	case r.began == "program":
		return Output{}, fmt.Errorf("the program %q is not there", c.Args[0])
	}
	return r.Output, nil
}

// slashed keeps a path from being taken for an option.
func slashed(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

// passable refuses what cannot be an argument.
func passable(words ...string) error {
	for _, w := range words {
		if strings.IndexByte(w, 0) >= 0 {
			return fmt.Errorf("%q holds a NUL byte", w)
		}
	}
	return nil
}

// spoken is a script that says itself what went wrong.
var spoken = regexp.MustCompile(`(?m)^[!~] [0-9]`)

// files runs a script that reads or writes files.
func (s *shell) files(ctx context.Context, script string, stdin ...[]byte) ([]byte, error) {
	r, err := s.do(ctx, "echo \"$T $g\"\n"+script, false, stdin...)
	if err == nil && r.Code != 0 && !spoken.Match(r.Stdout) {
		err = errors.New(s.name + ": " + r.Err(Cmd("sh")).Error())
	}
	return r.Stdout, err
}

// Close implements Host.
func (s *shell) Close() error { return nil }
