package sendmail

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/host"
)

// Whoever is cut off after another server has said yes to a message, and before that
// is written down, sends it once more. So none of Sendmail's processes that deliver is
// ever told to end: stopping waits for them for some time, and then leaves them to
// themselves; and the queue is not moved while one of them works in it.

// The usual times of a Provider.
const (
	finishing = 10 * time.Second
	leaving   = 50 * time.Second
)

func tenths(d time.Duration) string { return strconv.Itoa(int(d / (100 * time.Millisecond))) }

// Told to end, or to read its configuration again, the daemon ends those of its
// children that run the queue. So it is held until they have done what they are at; it
// is killed, which they do not notice, where they take too long, or where there are any
// that are more than a session. A child that still has its parent's name has only begun.
// Each script is one program, which goes on if mailform is killed.
const (
	holdScript = `pid=$(head -n 1 "$1") && kill -STOP "$pid" || exit 1
children() {
  for f in $(grep -ls "^PPid:[[:space:]]*$pid\$" /proc/[0-9]*/status); do
    tr '\0' ' ' 2>/dev/null <"${f%status}cmdline"
    echo
  done | grep .
}
n=0
while [ "$n" -lt "$2" ] && children | grep -q -e queue -e Queue -e client -e open -e accepting; do
  sleep 0.1
  n=$((n + 1))
done
shift 2
signal=KILL
children | grep -qv " server " || signal=$1
shift
kill -"$signal" "$pid"
kill -CONT "$pid" 2>/dev/null
`
	// stopScript stops Sendmail.
	stopScript = holdScript + `:`
	// renewScript has it read its configuration again, or starts another one by the
	// command that follows.
	renewScript = holdScript + `[ "$signal" != KILL ] || exec "$@"`
)

// stopping and renewing are these scripts for the Sendmail of a pid file.
func (p *Provider) stopping(pidFile string) host.Command {
	return host.Cmd("sh", "-c", stopScript, "sh", pidFile, tenths(p.finishing), "TERM")
}

func (p *Provider) renewing(pidFile string, start host.Command) host.Command {
	return host.Cmd(append([]string{"sh", "-c", renewScript, "sh", pidFile, tenths(p.finishing), "HUP"}, start.Args...)...)
}

const (
	// lingerers are the processes of Sendmail that work in a queue, with what they are at.
	lingerers = `for d in /proc/[0-9]*; do
  at=$(readlink "$d/cwd") 2>/dev/null || continue
  case "$at/" in "$1"/*) ;; *) continue ;; esac
  line=$(tr '\0' ' ' 2>/dev/null <"$d/cmdline") || continue
  case "$line" in *sendmail*) printf '%s %s\n' "${d#/proc/}" "$line" ;; esac
done`
	// dismiss ends those that wait for a client to say something: what it has handed in
	// before is in the queue, and what it is told now is nothing. They are held while that
	// is looked at.
	dismiss = `for pid do
  kill -STOP "$pid" 2>/dev/null || continue
  case "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" in *" cmd read "*) kill -TERM "$pid" ;; esac
  kill -CONT "$pid"
done
:`
)

// still waits until no process of Sendmail works in a queue.
func (p *Provider) still(ctx context.Context, queue string) error {
	for begun := time.Now(); ; {
		out, err := host.Must(ctx, p.on, host.Cmd("sh", "-c", lingerers, "sh", queue))
		if err != nil {
			return err
		}
		var pids []string
		for line := range strings.Lines(string(out.Stdout)) {
			pid, _, _ := strings.Cut(line, " ")
			pids = append(pids, pid)
		}
		since := time.Since(begun)
		switch {
		case len(pids) == 0:
			return nil
		case since > p.finishing+p.leaving:
			return fmt.Errorf("processes of Sendmail are still at work in %s, and each message is to be sent once: %s. The next apply tries again", queue,
				strings.Join(strings.Split(strings.TrimSpace(string(out.Stdout)), "\n"), "; "))
		case since > p.finishing:
			if _, err := host.Must(ctx, p.on, host.Cmd(append([]string{"sh", "-c", dismiss, "sh"}, pids...)...)); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
