package mailtest

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// A System is a private instance of a server.
type System interface {
	// Block is the provider block for it, in the language of the files.
	Block() string
	// Own is the directory that mailform has to itself; it is not there at first.
	Own() string
	// Check has the server's own programs judge its configuration, as it lies there.
	Check() error
}

// Own implements System.
func (p *PostfixInstance) Own() string { return filepath.Join(p.ConfigDir, "mailform") }

// Own implements System.
func (d *DovecotInstance) Own() string { return filepath.Join(d.ConfigDir, "mailform") }

// Own implements System.
func (s *SendmailInstance) Own() string { return filepath.Join(s.ConfigDir, "mailform") }

// Own implements System.
func (c *CyrusInstance) Own() string { return filepath.Join(c.ConfigDir, "mailform-cyrus") }

// Check implements System: all that Postfix itself looks at, and whether main.cf and
// master.cf can be read.
func (p *PostfixInstance) Check() error {
	return errors.Join(judged("/usr/sbin/postmap", "-c", p.ConfigDir, "-q", "any", "static:one"), judged("/usr/sbin/postconf", "-c", p.ConfigDir, "-M"),
		judged("/usr/sbin/postfix", "-c", p.ConfigDir, "check"))
}

// Check implements System.
func (d *DovecotInstance) Check() error {
	return judged(d.Program("doveconf"), "-c", filepath.Join(d.ConfigDir, "dovecot.conf"), "-n")
}

// Check implements System: Sendmail reads its configuration, and is asked nothing.
func (s *SendmailInstance) Check() error {
	return judged(filepath.Join(s.ProgramDir, "sendmail"), "-C", filepath.Join(s.ConfigDir, "sendmail.cf"), "-bt")
}

// Check implements System.
func (c *CyrusInstance) Check() error {
	return judged(filepath.Join(c.ProgramDir, "cyr_info"), "-C", filepath.Join(c.ConfigDir, "imapd.conf"), "-M", filepath.Join(c.ConfigDir, "cyrus.conf"), "conf")
}

// judged runs a program that has to find nothing wrong.
func judged(program string, args ...string) error {
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return nil
}
