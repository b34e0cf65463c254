package ldap_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/ldap"
	"github.com/mailform/mailform/providers/ldap/ldaptest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

const lineage = "11111111-1111-4111-8111-111111111111"

// apply applies a batch and returns the error of each change.
func apply(t *testing.T, p providers.Provider, batch ...providers.Change) []error {
	t.Helper()
	var errs []error
	err := p.Apply(t.Context(), batch, func(_ providers.Change, _ providers.Observed, err error) error {
		errs = append(errs, err)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return errs
}

// do applies a batch of which everything has to be done.
func do(t *testing.T, p providers.Provider, batch ...providers.Change) {
	t.Helper()
	for i, err := range apply(t, p, batch...) {
		if err != nil {
			t.Fatalf("%s %s: %v", batch[i].Action, batch[i].Resource.Key, err)
		}
	}
}

func create(r schema.Resource) providers.Change {
	return providers.Change{Action: providers.Create, Resource: r}
}

// find reads one thing.
func find(t *testing.T, p providers.Provider, kind, key string) *providers.Observed {
	t.Helper()
	have, err := p.Read(t.Context(), providers.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range have {
		if o.Kind == kind && o.Key == key {
			return &o
		}
	}
	return nil
}

// person is somebody whom the directory had before.
const person = `dn: uid=alice,ou=people,dc=example,dc=com
changetype: add
objectClass: inetOrgPerson
uid: alice
cn: Alice Liddell
sn: Liddell
mail: Alice@Example.com
telephoneNumber: +44 1865 276150
userPassword: {SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3
`

// Who was there before is taken over with all that is known of him, and is not
// deleted with his mailbox.
func TestPersonsOfADirectory(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	p := provider(t, s, lineage, nil)
	s.Modify(t, person)
	seen := find(t, p, schema.KindMailbox, "alice@example.com")
	if seen == nil || seen.Owner != "" {
		t.Fatalf("seen: %+v", seen)
	}
	alice := mailbox("alice@example.com", attrs{"password_hash": list("{SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3"), "protocols": list("imap")})
	if err := apply(t, p, create(alice))[0]; err == nil {
		t.Error("a person was created over")
	}
	do(t, p, providers.Change{Action: providers.Update, Resource: alice, Prior: seen})
	got := s.Search(t, "(uid=alice)")
	for _, want := range []string{"cn: Alice Liddell", "telephoneNumber: +44 1865 276150", "mail: Alice@Example.com", "objectClass: mailformAccount", "mailformQuota: 1073741824", "mailformProtocol: imap", "userPassword:: e1NTSEF9"} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}

	// What somebody else changes, and is none of ours, is in nobody's way.
	now := find(t, p, schema.KindMailbox, "alice@example.com")
	s.Modify(t, "dn: uid=alice,ou=people,dc=example,dc=com\nchangetype: modify\nreplace: telephoneNumber\ntelephoneNumber: +44 1\n")
	alice = mailbox("alice@example.com", nil)
	do(t, p, providers.Change{Action: providers.Update, Resource: alice, Prior: now})
	now = find(t, p, schema.KindMailbox, "alice@example.com")
	s.Modify(t, "dn: uid=alice,ou=people,dc=example,dc=com\nchangetype: modify\nreplace: mailformQuota\nmailformQuota: 5\n")
	if err := apply(t, p, providers.Change{Action: providers.Delete, Resource: alice, Prior: now})[0]; !errors.Is(err, providers.ErrConflict) || !strings.Contains(err.Error(), "uid=alice,ou=people") {
		t.Errorf("after a foreign change: %v", err)
	}

	now = find(t, p, schema.KindMailbox, "alice@example.com")
	do(t, p, providers.Change{Action: providers.Delete, Resource: alice, Prior: now})
	got = s.Search(t, "(uid=alice)")
	if strings.Contains(got, "mailform") || strings.Contains(got, "mail:") || !strings.Contains(got, "telephoneNumber: +44 1\n") || !strings.Contains(got, "userPassword") {
		t.Errorf("what is left of a person:\n%s", got)
	}
	if find(t, p, schema.KindMailbox, "alice@example.com") != nil {
		t.Error("the mailbox is still there")
	}
	// A person without a mailbox gets one again, and keeps the password.
	uid := provider(t, s, lineage, attrs{"users": cty.ObjectVal(attrs{"base": str(ldaptest.People), "rdn": str("uid={local}")})})
	another := mailbox("alice@example.com", attrs{"password_hash": list(anotherHash)})
	if err := apply(t, uid, create(another))[0]; err == nil || !strings.Contains(err.Error(), "has an entry uid=alice,ou=people,dc=example,dc=com already, of another userPassword") {
		t.Errorf("over the password of a person: %v", err)
	}
	do(t, uid, create(alice))
	if got := s.Search(t, "(mail=alice@example.com)"); !strings.Contains(got, "telephoneNumber: +44 1\n") || !strings.Contains(got, "dn: uid=alice,") {
		t.Errorf("a person with a mailbox again:\n%s", got)
	}
}

// A slapd as Debian has it knows nothing of quotas. What it can hold it holds.
func TestWithoutMailformsSchema(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{Plain: true, Global: "include /etc/ldap/schema/misc.schema"})
	p := provider(t, s, lineage, nil)
	plain := mailbox("bob@example.com", attrs{"quota": num(0)})
	do(t, p, create(plain))
	if got := s.Search(t, "(mail=bob@example.com)", "objectClass", "uid", "cn", "sn"); got != "dn: uid=bob@example.com,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: bob@example.com\nsn: bob\nuid: bob@example.com\n\n" {
		t.Errorf("the entry is\n%s", got)
	}
	for what, c := range map[string]struct {
		r    schema.Resource
		want string
	}{
		"a quota":   {mailbox("c@example.com", nil), "quota: the directory has no attribute for it. Load mailform's schema"},
		"protocols": {mailbox("c@example.com", attrs{"quota": num(0), "protocols": list("imap")}), "protocols: the directory has no attribute"},
		"disabled":  {mailbox("c@example.com", attrs{"quota": num(0), "mail": str("disabled")}), "mail: the directory has no attribute"},
		"an alias":  {route("s@example.com", "alias", false, "bob@example.com"), "no object class mailformRoute"},
	} {
		if err := apply(t, p, create(c.r))[0]; err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
		problems, err := p.Validate(t.Context(), []schema.Resource{plain, c.r, c.r})
		if err != nil || len(problems) == 0 || problems[0].Address != c.r.Address || !strings.HasPrefix(c.want, problems[0].Attribute) {
			t.Errorf("%s, before a plan: %+v, %v", what, problems, err)
		}
	}

	// With attributes that are there for something else, it can.
	mapped := provider(t, s, lineage, attrs{
		"users": cty.ObjectVal(attrs{"base": str(ldaptest.People), "attributes": cty.MapVal(attrs{
			"quota": str("roomNumber"), "protocols": str("employeeType"), "mail": str("departmentNumber"), "owner": str("description"),
		})}),
		"aliases": cty.ObjectVal(attrs{"base": str(ldaptest.Aliases), "object_classes": list("nisMailAlias"), "attributes": cty.MapVal(attrs{
			"address": str("cn"), "members": str("rfc822MailMember"),
		})}),
	})
	carol := mailbox("carol@example.com", attrs{"protocols": list("pop3"), "mail": str("disabled")})
	do(t, mapped, create(carol), create(route("s@example.com", "alias", false, "bob@example.com")), create(route("@example.com", "catch_all", false, "bob@example.com")))
	now := find(t, mapped, schema.KindMailbox, "carol@example.com")
	if now == nil || now.Owner != carol.Address || !now.Attrs.GetAttr("quota").RawEquals(num(1<<30)) || !now.Attrs.GetAttr("mail").RawEquals(str("disabled")) {
		t.Errorf("carol is %+v", now)
	}
	if got := s.Search(t, "(objectClass=nisMailAlias)", "cn", "rfc822MailMember"); !strings.Contains(got, "cn: s@example.com\nrfc822MailMember: bob@example.com\n") {
		t.Errorf("aliases:\n%s", got)
	}
	if err := apply(t, mapped, create(route("f@example.com", "forward", true, "bob@example.com")))[0]; err == nil || !strings.Contains(err.Error(), "type: the directory has no attribute") {
		t.Errorf("a forward: %v", err)
	}
	// A description of somebody else stays beside the mark.
	s.Modify(t, "dn: uid=carol@example.com,ou=people,dc=example,dc=com\nchangetype: modify\nadd: description\ndescription: likes cats\n")
	now = find(t, mapped, schema.KindMailbox, "carol@example.com")
	carol.Address += ".moved"
	do(t, mapped, providers.Change{Action: providers.Update, Resource: carol, Prior: now})
	got := s.Search(t, "(mail=carol@example.com)", "description")
	if !strings.Contains(got, "description: likes cats") || strings.Count(got, "mailform: ") != 1 || !strings.Contains(got, ".moved") {
		t.Errorf("descriptions:\n%s", got)
	}
}

// Only slapd itself can say that it takes a password by what stands there.
func TestPasswordsCanBeBoundWith(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	p := provider(t, s, lineage, nil)
	argon, err := auth.Hash([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for scheme, hash := range map[string]string{
		"argon2id":     argon,
		"sha512-crypt": "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
		"sha256-crypt": "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
	} {
		user := mailbox(scheme+"@example.com", attrs{"password_hash": list(anotherHash, hash)})
		do(t, p, create(user))
		dn := "uid=" + user.Key + "," + ldaptest.People
		for password, want := range map[string]bool{"secret": true, "Secret": false} {
			err := exec.Command(ldaptest.Need(t, "ldapwhoami"), "-x", "-H", s.URL, "-D", dn, "-w", password).Run()
			if (err == nil) != want {
				t.Errorf("%s with %q: %v", scheme, password, err)
			}
		}
	}
}

func TestCredentialsThatOnlyRead(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	do(t, provider(t, s, lineage, nil), create(mailbox("a@example.com", nil)))
	reads := provider(t, s, lineage, attrs{
		"bind_password": str("not known to those who plan"),
		"read":          cty.ObjectVal(attrs{"bind_dn": str(ldaptest.ReaderDN), "bind_password": str(ldaptest.Password)}),
	})
	o := find(t, reads, schema.KindMailbox, "a@example.com")
	if o == nil || o.Attrs.GetAttr("password_hash").LengthInt() != 1 {
		t.Errorf("read: %v", o)
	}
	err := reads.Apply(t.Context(), []providers.Change{create(mailbox("b@example.com", nil))}, func(providers.Change, providers.Observed, error) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "does not take bind_dn") || strings.Contains(err.Error(), "not known to") {
		t.Errorf("written: %v", err)
	}
}

func TestManyAreReadPageByPage(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	p := provider(t, s, lineage, attrs{"page_size": num(7)})
	var batch []providers.Change
	for _, r := range mailboxes().Many[:50] {
		batch = append(batch, create(r))
	}
	do(t, p, batch...)
	have, err := p.Read(t.Context(), providers.Scope{})
	if err != nil || len(have) != 50 {
		t.Errorf("%d, %v", len(have), err)
	}
	part, err := p.Read(t.Context(), providers.Scope{Part: true, Wanted: []schema.Resource{batch[3].Resource, mailbox("nobody@example.com", nil)}})
	if err != nil || len(part) != 1 || part[0].Key != batch[3].Resource.Key {
		t.Errorf("a part: %v, %v", part, err)
	}
}

func TestWaysToAServer(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{TLS: true})
	local := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for what, more := range map[string]attrs{
		"clear text":  {},
		"TLS":         {"url": str(s.TLSURL), "ca_file": str(s.CAFile)},
		"STARTTLS":    {"url": str(local), "start_tls": cty.True, "ca_file": str(s.CAFile)},
		"a socket":    {"url": str(s.SocketURL), "bind_dn": cty.NullVal(cty.String), "bind_password": cty.NullVal(cty.String)},
		"no base":     {"base": cty.NullVal(cty.String), "users": cty.NullVal(cty.DynamicPseudoType), "aliases": cty.NullVal(cty.DynamicPseudoType)},
		"TLS and all": {"url": str(s.TLSURL), "ca_file": str(s.CAFile), "timeout": str("2m")},
	} {
		p := provider(t, s, lineage, more)
		do(t, p, create(mailbox("a@example.com", nil)))
		if o := find(t, p, schema.KindMailbox, "a@example.com"); o == nil {
			t.Errorf("%s: it is not there", what)
		} else {
			do(t, p, providers.Change{Action: providers.Delete, Resource: mailbox("a@example.com", nil), Prior: o})
		}
	}
}

func TestErrorsOfAServer(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{TLS: true, Database: "limits dn.exact=\"" + ldaptest.OtherDN + "\" size=5"})
	p := provider(t, s, lineage, nil)
	var batch []providers.Change
	for _, r := range mailboxes().Many[:10] {
		batch = append(batch, create(r))
	}
	do(t, p, batch...)
	other := t.TempDir() + "/other.pem"
	pem, err := os.ReadFile(ldaptest.Start(t, ldaptest.Options{TLS: true}).CAFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	as := func(dn string) attrs { return attrs{"bind_dn": str(dn)} }
	for what, c := range map[string]struct {
		more attrs
		want string
	}{
		"nobody there":              {attrs{"url": str("ldap://127.0.0.1:1")}, "cannot be reached"},
		"a wrong password":          {attrs{"bind_password": str("wrong-secret")}, `does not take bind_dn "cn=mailform,dc=example,dc=com" with its bind_password`},
		"a name that is none":       {as("mailform"), `bind_dn "mailform" is no name of an entry`},
		"no such base":              {attrs{"users": cty.ObjectVal(attrs{"base": str("ou=staff,dc=example,dc=com")})}, "has no entry ou=staff,dc=example,dc=com; the nearest that is there, or that may be seen, is dc=example,dc=com"},
		"a base of another tree":    {attrs{"users": cty.ObjectVal(attrs{"base": str("dc=elsewhere")})}, "has no entry dc=elsewhere"},
		"a limit":                   {as(ldaptest.OtherDN), "does not hand out all entries below ou=people"},
		"no such class":             {attrs{"users": cty.ObjectVal(attrs{"object_classes": list("qmailUser")})}, ""},
		"no such attribute":         {attrs{"users": cty.ObjectVal(attrs{"attributes": cty.MapVal(attrs{"quota": str("mailQuota")})})}, "the server's schema has no attribute mailQuota for quota"},
		"an unknown authority":      {attrs{"url": str(s.TLSURL)}, "of no authority that is believed"},
		"another authority":         {attrs{"url": str(s.TLSURL), "ca_file": str(other)}, "of no authority that is believed"},
		"another name":              {attrs{"url": str(strings.Replace(s.TLSURL, "localhost", "127.0.0.1", 1)), "ca_file": str(s.CAFile)}, "is for another name"},
		"TLS where there is none":   {attrs{"url": str(strings.Replace(s.URL, "ldap:", "ldaps:", 1)), "timeout": str("2s")}, "TLS"},
		"no file with an authority": {attrs{"url": str(s.TLSURL), "ca_file": str("/nowhere")}, "ca_file: the file with certificate authorities cannot be used: open /nowhere"},
	} {
		_, err := provider(t, s, lineage, c.more).Read(t.Context(), providers.Scope{})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil && (strings.Contains(err.Error(), "wrong-secret") || strings.Contains(err.Error(), ldaptest.Password)) {
			t.Errorf("%s: the error holds a password: %v", what, err)
		}
	}
	for what, c := range map[string]struct {
		more attrs
		want string
	}{
		"who may not write":           {as(ldaptest.ReaderDN), "uid=new@example.com,ou=people,dc=example,dc=com: the directory's access rules do not allow it"},
		"a class that wants more":     {attrs{"users": cty.ObjectVal(attrs{"base": str(ldaptest.People), "object_classes": list("inetOrgPerson", "posixAccount")})}, "would not be as the directory's schema and rules demand: object class violation: object class 'posixAccount' requires attribute"},
		"a further attribute that is": {attrs{"users": cty.ObjectVal(attrs{"base": str(ldaptest.People), "new": cty.MapVal(attrs{"cn": str("x"), "sn": str("x"), "gidNumber": str("x")})})}, "demand"},
	} {
		errs := apply(t, provider(t, s, lineage, c.more), create(mailbox("new@example.com", nil)))
		if err := errs[0]; c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", what, err)
		} else if err != nil && strings.Contains(err.Error(), "c2VjcmV0LWRpZ2") {
			t.Errorf("%s: the error holds a hash: %v", what, err)
		}
	}
	do(t, p, create(mailbox("new@example.com", nil)))
	// Two entries of one address.
	s.Modify(t, strings.ReplaceAll(person, "Alice@Example.com", "new@example.com"))
	if err := apply(t, p, create(mailbox("new@example.com", nil)))[0]; err == nil || !strings.Contains(err.Error(), "two entries of the directory have the address new@example.com, uid=alice,ou=people,dc=example,dc=com and uid=new@example.com") {
		t.Errorf("two of one address: %v", err)
	}
}

func TestBlocksThatWillNotDo(t *testing.T) {
	for what, c := range map[string]struct {
		more attrs
		want string
	}{
		"a password without a name": {attrs{"bind_dn": cty.NullVal(cty.String)}, "bind_password without bind_dn"},
		"a name without a password": {attrs{"bind_password": str("")}, "bind_password is empty"},
		"TLS twice":                 {attrs{"url": str("ldaps://x"), "start_tls": cty.True}, "start_tls: ldaps:// does not begin in clear text"},
		"another protocol":          {attrs{"url": str("http://x")}, "ldap://, ldaps:// or ldapi://"},
		"a base in the URL":         {attrs{"url": str("ldap://x/dc=example")}, "the entry to begin at is base"},
		"a word that is none":       {attrs{"aliases": cty.ObjectVal(attrs{"attributes": cty.MapVal(attrs{"member": str("x")})})}, `aliases: attributes: there is no "member". Did you mean "members"`},
		"clear text over a network": {attrs{"url": str("ldap://ldap.example.com")}, "in clear text"},
	} {
		value := block(&ldaptest.Server{URL: "ldap://127.0.0.1"}, c.more)
		diags := (&ldap.Provider{}).Configure(t.Context(), providers.Config{Value: value, Dir: "/"})
		if len(diags) == 0 || !strings.Contains(diags[0].Detail, c.want) || strings.Contains(diags.Error(), ldaptest.Password) {
			t.Errorf("%s: %v", what, diags)
		}
	}
}
