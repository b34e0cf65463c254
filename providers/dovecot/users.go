package dovecot

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A user is an entry of the file of users, a passwd-file of Dovecot's.
type user struct {
	address string
	// password as Dovecot writes it: {SCHEME}hash.
	password string
	quota    int64 // bytes; 0: none
	// script is the name of his Sieve script; empty: he has none.
	script string
	// unix are the fields uid, gid, gecos, home and shell, and extra are further
	// ones, where somebody else has written any.
	unix  [5]string
	extra []string
	note  note
}

// A note is what mailform knows of a user beyond what Dovecot looks at. It stands
// in a comment before the entry.
type note struct {
	// User is whom it is about: it stands above his entry, which others may move.
	User    string `json:"user,omitempty"`
	Owner   string `json:"owner,omitempty"`
	Lineage string `json:"lineage,omitempty"`
	// Gen is another one after each change.
	Gen int `json:"gen,omitempty"`
	// Mail is "forward" or "disabled"; empty: enabled. What is disabled is also in
	// every file of those who may not log in.
	Mail string `json:"mail,omitempty"`
	// Protocols of a disabled user, which the files cannot say.
	Protocols []string `json:"protocols,omitempty"`
	// Others are verifiers of the same password that Dovecot is not given, and At
	// is the place among them of the one that it is given.
	Others []string `json:"others,omitempty"`
	At     int      `json:"at,omitempty"`
}

// A retained user is gone, and his mail is not.
type retained struct {
	Address string    `json:"address"`
	Until   time.Time `json:"until"`
	Quota   int64     `json:"quota,omitempty"`
}

// userFile is what is in the file of users.
type userFile struct {
	users    []user          // by address, once they are settled
	places   map[string]int  // of the users, by address
	back     map[string]bool // who is no longer only retained
	retained []retained
	// foreign lines are comments of others, kept at the top.
	foreign []string
	// gen is the generation of the last change.
	gen int
}

// header stands at the top.
const header = "# Users that mailform keeps. What is changed here is seen, and put back by the next apply."

const (
	notePrefix     = "#mailform "
	retainedPrefix = "#retained "
	genPrefix      = "#generation "
)

// parseUsers reads a file of users. Its errors name the line and quote nothing.
func parseUsers(text []byte) (*userFile, error) {
	f := &userFile{back: map[string]bool{}}
	var pending note
	n := 0
	seen := map[string]bool{}
	for line := range strings.SplitSeq(string(text), "\n") {
		n++
		switch {
		case strings.HasPrefix(line, notePrefix):
			pending = note{}
			if err := json.Unmarshal([]byte(line[len(notePrefix):]), &pending); err != nil {
				return nil, fmt.Errorf("line %d: what mailform noted cannot be read", n)
			}
			continue
		case strings.HasPrefix(line, retainedPrefix):
			var r retained
			if err := json.Unmarshal([]byte(line[len(retainedPrefix):]), &r); err != nil {
				return nil, fmt.Errorf("line %d: what mailform noted cannot be read", n)
			}
			f.retained = append(f.retained, r)
			continue
		case strings.HasPrefix(line, genPrefix):
			f.gen = max(f.gen, int(number(line[len(genPrefix):])))
			continue
		case line == header || strings.TrimSpace(line) == "":
			continue
		case line[0] == '#':
			f.foreign = append(f.foreign, line)
			continue
		}
		u, err := parseUser(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if seen[u.address] {
			return nil, fmt.Errorf("line %d: %s is there twice", n, u.address)
		}
		seen[u.address] = true
		if pending.User == u.address {
			u.note = pending
		}
		pending = note{}
		f.gen = max(f.gen, u.note.Gen)
		f.users = append(f.users, u)
	}
	f.settle()
	return f, nil
}

// parseUser reads user:password:uid:gid:gecos:home:shell:extra.
func parseUser(line string) (user, error) {
	fields := strings.SplitN(line, ":", 8)
	u := user{address: plain(fields[0])}
	if u.address == "" {
		return u, fmt.Errorf("an entry without a name")
	}
	if len(fields) > 1 {
		u.password = fields[1]
	}
	if len(fields) > 2 {
		copy(u.unix[:], fields[2:])
	}
	if len(fields) < 8 {
		return u, nil
	}
	for _, e := range strings.Fields(fields[7]) {
		n := quotaOf(e)
		script, ours := strings.CutPrefix(e, scriptField)
		switch {
		case n > 0:
			u.quota = n
		case ours && plainScript(script):
			u.script = script
		default:
			u.extra = append(u.extra, e)
		}
	}
	return u, nil
}

// quotaOf is the quota in a field of any dialect; 0 where it is another one.
func quotaOf(field string) int64 {
	for _, d := range dialects {
		if size, ok := strings.CutPrefix(field, d.quota); ok {
			if n, err := strconv.ParseInt(size, 10, 64); err == nil {
				return n
			}
		}
	}
	return 0
}

// format writes the file. What it holds was checked when it was taken in.
func (f *userFile) format(d *dialect) []byte {
	var b strings.Builder
	b.WriteString(header + "\n" + genPrefix + strconv.Itoa(f.gen) + "\n")
	for _, line := range f.foreign {
		b.WriteString(line + "\n")
	}
	for i := range f.users {
		u := &f.users[i]
		if text, err := json.Marshal(u.note); err == nil && u.note.User != "" {
			b.WriteString(notePrefix + string(text) + "\n")
		}
		var extra []string
		if u.quota > 0 {
			extra = append(extra, d.quota+strconv.FormatInt(u.quota, 10))
		}
		if u.script != "" {
			extra = append(extra, scriptField+u.script)
		}
		fields := append([]string{escaped(u.address), u.password}, u.unix[:]...)
		fields = append(fields, strings.Join(append(extra, u.extra...), " "))
		b.WriteString(strings.Join(fields, ":") + "\n")
	}
	for _, r := range f.retained {
		if text, err := json.Marshal(r); err == nil {
			b.WriteString(retainedPrefix + string(text) + "\n")
		}
	}
	return []byte(b.String())
}

// find is the place of a user, and whether he has one.
func (f *userFile) find(address string) (int, bool) {
	i, ok := f.places[address]
	return i, ok
}

// put puts a user into his place, or behind all others until they are settled.
func (f *userFile) put(u user) {
	f.back[u.address] = true
	if i, ok := f.places[u.address]; ok {
		f.users[i] = u
		return
	}
	f.places[u.address] = len(f.users)
	f.users = append(f.users, u)
}

// remove leaves a gap where a user was, until they are settled.
func (f *userFile) remove(address string) {
	if i, ok := f.places[address]; ok {
		f.users[i].address = ""
		delete(f.places, address)
		delete(f.back, address)
	}
}

// settle puts users into their order, and forgets of whom who is there that his mail
// was retained.
func (f *userFile) settle() {
	f.users = slices.DeleteFunc(f.users, func(u user) bool { return u.address == "" })
	slices.SortFunc(f.users, func(a, b user) int { return cmp.Compare(a.address, b.address) })
	f.places = make(map[string]int, len(f.users))
	for i := range f.users {
		f.places[f.users[i].address] = i
	}
	var kept []retained
	for _, r := range slices.Backward(f.retained) { // the last word counts
		if !f.back[r.Address] {
			f.back[r.Address] = true
			kept = append(kept, r)
		}
	}
	slices.Reverse(kept)
	f.retained, f.back = kept, map[string]bool{}
}

// parseNames reads a file with a name in each line.
func parseNames(text []byte) map[string]bool {
	names := map[string]bool{}
	for line := range strings.SplitSeq(string(text), "\n") {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		name = plain(name)
		if name != "" && name[0] != '#' {
			names[name] = true
		}
	}
	return names
}

// formatNames writes one, sorted.
func formatNames(names map[string]bool) []byte {
	list := make([]string, 0, len(names))
	for name, in := range names {
		if in {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	var b strings.Builder
	b.WriteString("# Who may not log in with this service.\n")
	for _, name := range list {
		b.WriteString(escaped(name) + "\n")
	}
	return []byte(b.String())
}

// escaped is a name as Dovecot looks for it in its files: it puts a backslash
// before what quotes.
func escaped(name string) string { return strings.ReplaceAll(name, "'", `\'`) }

// plain is escaped the other way.
func plain(name string) string { return strings.ReplaceAll(name, `\'`, "'") }
