package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"
)

// What BenchmarkEngine measures. Left alone it is done in seconds.
var (
	engineUsers = flag.String("engine.users", "1000", "numbers of users for BenchmarkEngine, from the smallest")
	enginePeers = flag.Int("engine.peers", 0, "up to how many users Terraform and OpenTofu are measured beside it; 0: not at all")
)

// perFile is how many blocks stand in a file.
const perFile = 500

// A usage is what one run of a program took.
type usage struct {
	wall, user float64 // seconds
	peak       float64 // MB
	failed     string  // why there are no figures
}

func (u usage) String() string {
	if u.failed != "" {
		return u.failed
	}
	return fmt.Sprintf("%.2f s / %.2f s / %.0f MB", u.wall, u.user, u.peak)
}

// best is the quicker of two runs of the same, with the larger peak.
func best(a, b usage) usage {
	if a.failed != "" || b.wall < a.wall && b.failed == "" {
		a, b = b, a
	}
	a.peak = max(a.peak, b.peak)
	return a
}

// An ending keeps the end of what is written to it.
type ending []byte

func (t *ending) Write(p []byte) (int, error) {
	const kept = 2000
	*t = append((*t)[max(0, len(*t)-kept):], p[max(0, len(p)-kept):]...)
	return len(p), nil
}

// measure runs a program in a directory, and fails the benchmark unless it ends
// with code 0 in time, where its figures are needed.
func measure(b *testing.B, needed bool, dir, program string, args ...string) usage {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	var out ending
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began).Seconds()
	switch {
	case err != nil && needed:
		b.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return usage{failed: "not finished"}
	case err != nil:
		return usage{failed: "failed"}
	}
	rusage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return usage{wall: took, user: cmd.ProcessState.UserTime().Seconds(), peak: float64(rusage.Maxrss) / 1000}
}

// A shape is a way to write down many users.
type shape struct {
	name string
	// write writes the files that describe n users, of whom the last has a quota of
	// his own, one by one: what this process has in memory counts for the peak of
	// the programs that it starts.
	write func(w *world, n int, quota string)
	// last is the address of the last user.
	last func(n int) string
}

// The users of all shapes: the same hash for all, so that the size is that of
// real ones, and nothing else can tell them apart.
const userHash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$8Kr0iAEAbdp+W8gh5r9XQJ5hHZ1X0K7pUQ7yXK3b8uE"

func quotaOf(i, n int, last string) string {
	if i == n-1 {
		return last
	}
	return "2GiB"
}

var shapes = []shape{
	{"for_each", func(w *world, n int, quota string) {
		w.write("staff.mf.hcl", `
user "staff" {
  for_each      = { for r in csvdecode(file("staff.csv")) : r.name => r }
  domain        = domain.example
  name          = each.key
  password_hash = each.value.password_hash
  quota         = each.value.quota
}
`)
		w.create("staff.csv", func(out io.Writer) {
			fmt.Fprintln(out, "name,quota,password_hash")
			for i := range n {
				fmt.Fprintf(out, "user%d,%s,%q\n", i, quotaOf(i, n, quota), userHash)
			}
		})
	}, func(n int) string { return fmt.Sprintf("user.staff[%q]", fmt.Sprintf("user%d", n-1)) }},
	{"blocks", func(w *world, n int, quota string) {
		for from := 0; from < n; from += perFile {
			w.create(fmt.Sprintf("u%06d.mf.hcl", from), func(out io.Writer) {
				for i := from; i < min(n, from+perFile); i++ {
					fmt.Fprintf(out, "user \"u%d\" {\n  domain        = domain.example\n  name          = \"user%d\"\n  password_hash = %q\n  quota         = %q\n}\n\n",
						i, i, userHash, quotaOf(i, n, quota))
				}
			})
		}
	}, func(n int) string { return fmt.Sprintf("user.u%d", n-1) }},
}

// create writes a file of the world bit by bit.
func (w *world) create(name string, write func(io.Writer)) {
	w.t.Helper()
	f, err := os.Create(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	out := bufio.NewWriter(f)
	write(out)
	if err := errors.Join(out.Flush(), f.Close()); err != nil {
		w.t.Fatal(err)
	}
}

const engineBase = `
server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
  smtp { listen = ["127.0.0.1:2525"] }
}
domain "example" {
  name = "example.com"
  mx { server = server.main }
}
`

// The steps that are measured, in this order.
var engineSteps = []string{
	"validate", "plan, all new", "plan -target, all new", "first apply",
	"plan, nothing changed", "plan -target, one changed", "plan, one changed", "apply, one changed",
}

// engineFigures are the figures of one shape and size by step, and by how much the
// files of the state grew in the apply of one change.
type engineFigures struct {
	steps map[string]usage
	state string
}

// BenchmarkEngine measures the real binary on many users in both shapes, into
// the embedded server, and prints a table: the figures of docs/benchmarks.md.
// Terraform and OpenTofu are measured beside it on demand, where they are on the
// PATH.
func BenchmarkEngine(b *testing.B) {
	var sizes []int
	for text := range strings.SplitSeq(*engineUsers, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			b.Fatal(err)
		}
		sizes = append(sizes, n)
	}
	for range b.N {
		all := map[string][]engineFigures{}
		for _, s := range shapes {
			for _, n := range sizes {
				all[s.name] = append(all[s.name], engineRun(b, s, n))
			}
		}
		printEngine(sizes, all)
		for _, peer := range []string{"terraform", "tofu"} {
			if *enginePeers > 0 {
				comparePeer(b, peer, sizes)
			}
		}
	}
}

// engineRun measures all steps for one shape and size.
func engineRun(b *testing.B, s shape, n int) engineFigures {
	w := newWorld(b, map[string]string{"main.mf.hcl": engineBase})
	defer w.end()
	s.write(w, n, "2GiB")
	f := engineFigures{steps: map[string]usage{}}
	step := func(name string, runs int, args ...string) {
		for i := range runs {
			if u := measure(b, true, w.dir, binary, args...); i == 0 {
				f.steps[name] = u
			} else {
				f.steps[name] = best(f.steps[name], u)
			}
		}
	}
	again := 3
	if n > 10_000 { // long enough to even out what else the machine does
		again = 1
	}
	target := "-target=" + s.last(n)
	step("validate", again, "validate")
	step("plan, all new", again, "plan")
	step("plan -target, all new", again, "plan", target)
	step("first apply", 1, "apply", "-auto-approve")
	step("plan, nothing changed", again, "plan")
	s.write(w, n, "3GiB")
	step("plan -target, one changed", again, "plan", target)
	step("plan, one changed", again, "plan")
	before := stateFiles(b, w.dir)
	step("apply, one changed", 1, "apply", "-auto-approve")
	f.state = grown(before, stateFiles(b, w.dir))
	return f
}

// stateFiles are the files of the local state.
func stateFiles(b *testing.B, dir string) map[string]os.FileInfo {
	b.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "mailform.mfstate*"))
	if err != nil {
		b.Fatal(err)
	}
	files := map[string]os.FileInfo{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		if info.Mode().IsRegular() {
			files[info.Name()] = info
		}
	}
	return files
}

// grown tells how many bytes were written to the state, and of how many.
func grown(before, after map[string]os.FileInfo) string {
	var written, total int64
	for name, info := range after {
		was := before[name]
		switch {
		case was == nil || !os.SameFile(was, info) || info.Size() < was.Size():
			written += info.Size() // a new file
		default:
			written += info.Size() - was.Size()
		}
		total += info.Size()
	}
	return fmt.Sprintf("%d of %d bytes of state written", written, total)
}

func printEngine(sizes []int, all map[string][]engineFigures) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer out.Flush()
	fmt.Fprintf(out, "\nwall / user CPU / peak memory\n")
	for _, s := range shapes {
		fmt.Fprintf(out, "\n%s", s.name)
		for _, n := range sizes {
			fmt.Fprintf(out, "\t%d users", n)
		}
		fmt.Fprintf(out, "\tgrowth\n")
		for _, step := range engineSteps {
			fmt.Fprint(out, step)
			for _, f := range all[s.name] {
				fmt.Fprintf(out, "\t%s", f.steps[step])
			}
			fmt.Fprintf(out, "\t%s\n", growth(sizes, all[s.name], step))
		}
		for i, f := range all[s.name] {
			fmt.Fprintf(out, "%d users: %s by the apply of one change\n", sizes[i], f.state)
		}
	}
}

// growth is the exponent by which user CPU grows between the two largest sizes:
// 1 is linear, 2 quadratic. Below, what does not grow counts for too much.
func growth(sizes []int, figures []engineFigures, step string) string {
	last := len(sizes) - 1
	if last < 1 {
		return "-"
	}
	a, b := figures[last-1].steps[step], figures[last].steps[step]
	if a.failed+b.failed != "" || a.user == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", math.Log(b.user/a.user)/math.Log(float64(sizes[last])/float64(sizes[last-1])))
}
