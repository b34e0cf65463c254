package authd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/embedded/seek"
)

// Beside passwords, Sendmail asks the daemon who there is in the directory: by its map
// class socket, on a socket of its own. Its rules and its alias files are looked up
// there after mailform's own maps.

// MapSocket is where the daemon of a directory answers Sendmail's maps.
func MapSocket(dir string) string { return filepath.Join(dir, "map") }

// The maps, by the names that Sendmail has to give them.
const (
	// MapAddresses has the address that an address is known by, and "@domain" for all
	// others; [Refused] for who gets no mail.
	MapAddresses = "mailformdirectory"
	// MapSenders has "sender,user" where the user may send in that name.
	MapSenders = "mailformdirectorysender"
	// mapAliases begins the names that Sendmail gives to alias files: whom mail for an
	// address that it is known by goes to.
	mapAliases = "Alias"
)

// Refused stands for whoever gets no mail, in place of an address.
const Refused = "REFUSED"

// CatchAllKey is the address that all others of a domain are known by: one that no
// mail can be sent to. It is given "@domain".
func CatchAllKey(all string) string { return "*" + all }

// CopyKey is the address of a mailbox whose mail is forwarded as well: one that no mail
// can be sent to that is not for that mailbox.
func CopyKey(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	return local + CopyMark + domain
}

// CopyMark stands between the parts of such an address.
const CopyMark = "+*@"

// maxNetstring bounds a question, in bytes: Sendmail's keys are shorter.
const maxNetstring = 4096

// readNetstring reads a text after its length (https://cr.yp.to/proto/netstrings.txt).
func readNetstring(r *bufio.Reader) (string, error) {
	n := 0
	for digits := 0; ; digits++ {
		c, err := r.ReadByte()
		if err != nil {
			if err == io.EOF && digits > 0 {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
		if c == ':' && digits > 0 {
			break
		}
		if n = n*10 + int(c-'0'); c < '0' || c > '9' || n > maxNetstring {
			return "", errors.New("no netstring, or one that is too long")
		}
	}
	text := make([]byte, n+1)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", err
	}
	if text[n] != ',' {
		return "", errors.New("a netstring without an end")
	}
	return string(text[:n]), nil
}

func netstring(text string) string { return strconv.Itoa(len(text)) + ":" + text + "," }

// maxLooking is how many ask maps at once: each of Sendmail's sessions may.
const maxLooking = 4096

// serveMaps answers on a socket until it is closed. Who looks up has one connection
// for all questions, which is there as long as his session.
func (s *server) serveMaps(ctx context.Context, l *net.UnixListener) error {
	slots := make(chan struct{}, maxLooking)
	return s.accept(ctx, l, slots, func(c net.Conn) {
		stop := context.AfterFunc(ctx, func() { c.Close() })
		defer stop()
		r := bufio.NewReader(c)
		for {
			q, err := readNetstring(r)
			if err != nil {
				if err != io.EOF && ctx.Err() == nil {
					s.log.Warn("authd: a look-up that cannot be read", "error", err)
				}
				return
			}
			answer := s.lookUp(ctx, q)
			if _, err := io.WriteString(c, netstring(answer)); err != nil {
				return
			}
		}
	})
}

// lookUp answers a question: the name of a map, a blank, and the key (sendmail's
// Installation and Operation Guide, 5.11, socket).
func (s *server) lookUp(ctx context.Context, q string) string {
	name, key, _ := strings.Cut(q, " ")
	ctx, cancel := context.WithTimeout(ctx, maxQuestion)
	defer cancel()
	value, err := s.users.lookUp(ctx, name, strings.ToLower(key))
	switch {
	case err != nil:
		s.log.Warn("authd: a look-up is put off", "map", name, "key", key, "reason", err)
		return "TEMP the directory does not answer"
	case value == "":
		return "NOTFOUND "
	}
	return "OK " + value
}

// lookUp is a value of a map; empty: there is none.
func (d *directory) lookUp(ctx context.Context, name, key string) (string, error) {
	_, sought, err := d.own("")
	if err != nil || sought == nil || !strings.Contains(key, "@") {
		return "", err
	}
	switch {
	case name == MapAddresses:
		return knownBy(ctx, sought, key)
	case name == MapSenders:
		sender, user, _ := strings.Cut(key, ",")
		return maySend(ctx, sought, sender, user)
	case strings.HasPrefix(name, mapAliases):
		return leadsTo(ctx, sought, key)
	}
	return "", fmt.Errorf("there is no map %s", name)
}

// knownBy is the address that another is known by.
func knownBy(ctx context.Context, in *seek.Directories, key string) (string, error) {
	if local, domain, ok := strings.Cut(key, CopyMark); ok {
		u, err := in.User(ctx, local+"@"+domain)
		if err != nil || u == nil || u.Mail == "disabled" {
			return "", err
		}
		return key, nil
	}
	w := way{in: in, seen: map[string]bool{}}
	there, open, err := w.follow(ctx, key)
	catchAll := strings.HasPrefix(key, "@")
	switch {
	case err != nil || !there || catchAll && !open: // so that all others are nobody
		return "", err
	case !open:
		return Refused, nil
	case catchAll:
		return CatchAllKey(key), nil
	}
	return key, nil
}

// leadsTo are the addresses that mail for one goes to; empty: to its mailbox. Those
// that get no mail are left out.
func leadsTo(ctx context.Context, in *seek.Directories, key string) (string, error) {
	address := key
	if all := strings.TrimPrefix(key, "*"); strings.HasPrefix(all, "@") {
		address = all
	}
	members, err := in.Route(ctx, address)
	if err != nil {
		return "", err
	}
	var list []string
	for _, m := range members {
		if m == address {
			list = append(list, CopyKey(m))
			continue
		}
		w := way{in: in, seen: map[string]bool{address: true}}
		there, open, err := w.follow(ctx, m)
		if err != nil {
			return "", err
		}
		if open || !there {
			list = append(list, m)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", "), nil
}

// A way is where mail for an address goes.
type way struct {
	in   *seek.Directories
	seen map[string]bool
}

// maxExpanded bounds the addresses that one leads to.
const maxExpanded = 10000

// follow tells whether the directory has an address, and whether anybody gets its mail:
// a disabled user does not, nor does an alias or a forward whose members do not.
func (w *way) follow(ctx context.Context, address string) (there, open bool, err error) {
	if w.seen[address] {
		return true, false, nil // whoever is there is found from where it was first seen
	}
	if len(w.seen) >= maxExpanded {
		return true, false, fmt.Errorf("it leads to more than %d addresses", maxExpanded)
	}
	w.seen[address] = true
	if !strings.HasPrefix(address, "@") {
		u, err := w.in.User(ctx, address)
		switch {
		case err != nil:
			return false, false, err
		case u != nil && u.Mail != "forward":
			return true, u.Mail != "disabled", nil
		}
		there = u != nil
	}
	members, err := w.in.Route(ctx, address)
	if err != nil || len(members) == 0 {
		return there, there, err // a forward whose members are still to come keeps its mail
	}
	for _, m := range members {
		if m == address { // a copy is kept
			return true, true, nil
		}
		if has, open, err := w.follow(ctx, m); err != nil || open || !has { // who is not there may be elsewhere
			return true, true, err
		}
	}
	return true, false, nil
}

// maySend tells whether a user may send in a name: his own, or that of an alias that he
// is a member of.
func maySend(ctx context.Context, in *seek.Directories, sender, user string) (string, error) {
	u, err := in.User(ctx, user)
	if err != nil || u == nil || u.Mail == "disabled" {
		return "", err
	}
	if sender == user {
		return "OK", nil
	}
	names, err := in.AliasesOf(ctx, user)
	if err != nil || !slices.Contains(names, sender) {
		return "", err
	}
	return "OK", nil
}

// LookUp asks the daemon that listens on a socket for maps, as Sendmail does. It
// returns the answer as it is.
func LookUp(ctx context.Context, socket, name, key string) (string, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if _, err := io.WriteString(c, netstring(name+" "+key)); err != nil {
		return "", err
	}
	return readNetstring(bufio.NewReader(c))
}

// listen makes a socket. Who may ask is who may look into the directory.
func listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err // of one that was killed; the lock is ours
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
