package command

import (
	"strings"

	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
)

// A State is one of the states of a session (RFC 9051 §3), or a set of them.
type State uint8

// The states.
const (
	NotAuthenticated State = 1 << iota
	Authenticated
	Selected

	loggedIn = Authenticated | Selected
	anyState = NotAuthenticated | loggedIn
)

// A Command is one command with its arguments.
type Command struct {
	Tag string
	// Name is upper-case; for a UID command "UID FETCH" and so on.
	Name string
	// States in which it is valid.
	States State
	Args   Args
}

// Args are the arguments of one command: one of the types of this package.
type Args interface{ args() }

type spec struct {
	states State
	parse  func(p *parser) Args
}

// parser reads the arguments of one command. After the first error the reader
// returns zero values, so that the functions look for errors only in loops.
type parser struct {
	*wire.Reader
	utf8 bool
	uid  bool
	keys int // search keys read
}

var commands = map[string]spec{
	"CAPABILITY":   {anyState, bare(Capability{})},
	"NOOP":         {anyState, bare(Noop{})},
	"LOGOUT":       {anyState, bare(Logout{})},
	"ID":           {anyState, parseID},
	"STARTTLS":     {NotAuthenticated, bare(StartTLS{})},
	"AUTHENTICATE": {NotAuthenticated, parseAuthenticate},
	"LOGIN":        {NotAuthenticated, parseLogin},
	"ENABLE":       {Authenticated, parseEnable},
	"NAMESPACE":    {loggedIn, bare(Namespace{})},
	"SELECT":       {loggedIn, parseSelect(false)},
	"EXAMINE":      {loggedIn, parseSelect(true)},
	"CREATE":       {loggedIn, parseCreate},
	"DELETE":       {loggedIn, parseDelete},
	"RENAME":       {loggedIn, parseRename},
	"SUBSCRIBE":    {loggedIn, parseSubscribe(true)},
	"UNSUBSCRIBE":  {loggedIn, parseSubscribe(false)},
	"LIST":         {loggedIn, parseList},
	"LSUB":         {loggedIn, parseLSub},
	"STATUS":       {loggedIn, parseStatus},
	"APPEND":       {loggedIn, parseAppend},
	"IDLE":         {loggedIn, bare(Idle{})},
	"GETQUOTA":     {loggedIn, parseGetQuota},
	"GETQUOTAROOT": {loggedIn, parseGetQuotaRoot},
	"GETMETADATA":  {loggedIn, parseGetMetadata},
	"SETMETADATA":  {loggedIn, parseSetMetadata},
	"GETACL":       {loggedIn, parseGetACL},
	"SETACL":       {loggedIn, parseSetACL(false)},
	"DELETEACL":    {loggedIn, parseSetACL(true)},
	"LISTRIGHTS":   {loggedIn, parseListRights},
	"MYRIGHTS":     {loggedIn, parseMyRights},
	"CHECK":        {Selected, bare(Check{})},
	"CLOSE":        {Selected, bare(Close{})},
	"UNSELECT":     {Selected, bare(Unselect{})},
	"EXPUNGE":      {Selected, parseExpunge},
	"SEARCH":       {Selected, parseSearch},
	"SORT":         {Selected, parseSort},
	"THREAD":       {Selected, parseThread},
	"FETCH":        {Selected, parseFetch},
	"STORE":        {Selected, parseStore},
	"COPY":         {Selected, parseCopy(false)},
	"MOVE":         {Selected, parseCopy(true)},
}

// withUID holds the commands that have a UID form.
var withUID = map[string]bool{
	"EXPUNGE": true, "SEARCH": true, "SORT": true, "THREAD": true, "FETCH": true, "STORE": true, "COPY": true, "MOVE": true,
}

// Parse parses the command that r stands at, after [wire.Reader.Next]. utf8 says
// whether the client has asked for UTF-8 mailbox names.
//
// The command is never nil; on an error as [wire.Reader.Err] has it, Tag and
// Name are what could be read.
func Parse(r *wire.Reader, utf8 bool) (*Command, error) {
	cmd := &Command{}
	cmd.Tag = r.Tag()
	r.Space()
	name := strings.ToUpper(r.Atom())
	p := &parser{Reader: r, utf8: utf8}
	if name == "UID" {
		r.Space()
		name = strings.ToUpper(r.Atom())
		p.uid = true
		if !withUID[name] {
			r.Fail("unknown command")
		}
		cmd.Name = "UID "
	}
	if err := r.Err(); err != nil {
		return cmd, err
	}
	s, ok := commands[name]
	if !ok {
		r.Fail("unknown command")
		return cmd, r.Err()
	}
	cmd.Name += name
	cmd.States = s.states
	cmd.Args = s.parse(p)
	if _, ok := cmd.Args.(*Append); !ok {
		r.End()
	}
	return cmd, r.Err()
}

// bare parses a command without arguments.
func bare(a Args) func(*parser) Args {
	return func(*parser) Args { return a }
}

// mailbox reads a mailbox name and returns it in UTF-8, INBOX in upper case.
func (p *parser) mailbox() string {
	return p.decodeName(p.AString())
}

func (p *parser) decodeName(name string) string {
	if p.Err() != nil {
		return ""
	}
	if !p.utf8 {
		decoded, err := wire.DecodeUTF7(name)
		if err != nil {
			p.Fail("%v", err)
			return ""
		}
		name = decoded
	}
	if wire.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}
