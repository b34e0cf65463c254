package authd

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// UsersFile is where the users of a daemon lie in its directory.
func UsersFile(dir string) string { return filepath.Join(dir, "users") }

// A User may log in.
type User struct {
	// Address in lower case, the domain in its A-label form.
	Address string
	// Protocols with which the user may read mail: "imap", "pop3". Whoever is in the
	// file may submit mail.
	Protocols []string
	// Verifiers of the password; one that fits is enough.
	Verifiers []string
}

// header stands before the users.
const header = "# Users of mailform authd, written by mailform: address, protocols, verifiers; by tabs.\n"

// Format writes users as a file has them, sorted by address.
func Format(users []User) ([]byte, error) {
	users = slices.Clone(users)
	slices.SortFunc(users, func(a, b User) int { return cmp.Compare(a.Address, b.Address) })
	var b bytes.Buffer
	b.WriteString(header)
	for i, u := range users {
		if i > 0 && users[i-1].Address == u.Address {
			return nil, fmt.Errorf("%s is there twice", u.Address)
		}
		fields := append([]string{u.Address, strings.Join(u.Protocols, ",")}, u.Verifiers...)
		for j, f := range fields {
			if strings.ContainsAny(f, "\t\n\r\x00") || j == 0 && (f == "" || f[0] == '#') || j > 1 && f == "" {
				return nil, fmt.Errorf("%q cannot stand in the file of users", u.Address) // never a verifier
			}
		}
		b.WriteString(strings.Join(fields, "\t"))
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}

// Parse reads what [Format] writes. Its errors name the line, and quote nothing.
func Parse(text []byte) ([]User, error) {
	var users []User
	seen := map[string]bool{}
	n := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		n++
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) < 2 || fields[0] == "" || slices.Contains(fields[2:], "") || strings.ContainsAny(line, "\r\x00") {
			return nil, fmt.Errorf("line %d is none of a user", n)
		}
		if seen[fields[0]] {
			return nil, fmt.Errorf("line %d: %s is there twice", n, fields[0])
		}
		seen[fields[0]] = true
		u := User{Address: fields[0], Verifiers: fields[2:]}
		if fields[1] != "" {
			u.Protocols = strings.Split(fields[1], ",")
		}
		if len(u.Verifiers) == 0 {
			u.Verifiers = nil
		}
		users = append(users, u)
	}
	return users, nil
}
