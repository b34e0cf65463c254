package ldap

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func standardLayout(t testing.TB, kind int) *layout {
	t.Helper()
	m, err := parseMapping(&standards[kind], cty.NilVal)
	if err != nil {
		t.Fatal(err)
	}
	has := newSubschema([]string{"( 1 NAME 'mail' )", "( 2 NAME ( 'uid' 'userid' ) )", "( 3 NAME 'mailformMember' )"},
		[]string{"( 4 NAME 'inetOrgPerson' STRUCTURAL )", "( 5 NAME 'mailformRoute' )", "( 7 NAME 'mailformGroup' AUXILIARY )", "( 6 NAME 'mailformAccount' AUXILIARY )"})
	l, err := m.layoutFor("ou=people,dc=example", has)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Whatever an address holds, the name of an entry is one below the base, and a
// filter asks for that value alone.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a@example.com", "a,ou=x@b", "a)(uid=*@b", `a\2c@b`, " #a @b", "a+b=c;d<e>@b", "\x00@b", "{local}@b", strings.Repeat("é", 300), "*", `"`, "a\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return // no address, and no name that could be read (RFC 4514 §2.4)
		}
		l := standardLayout(t, 0)
		l.rdn.value = "{address}"
		dn, err := goldap.ParseDN(l.dn(s))
		if l.rdnValue(s) == "" {
			return // no address is empty
		}
		if err != nil {
			t.Fatalf("%q: %v", l.dn(s), err)
		}
		base, _ := goldap.ParseDN(l.base)
		if len(dn.RDNs) != len(base.RDNs)+1 || len(dn.RDNs[0].Attributes) != 1 || !base.AncestorOf(dn) {
			t.Fatalf("%q names %d parts", l.dn(s), len(dn.RDNs))
		}
		if got := dn.RDNs[0].Attributes[0]; got.Type != "uid" || got.Value != l.rdnValue(s) {
			t.Fatalf("%q: %s is %q", l.dn(s), got.Type, got.Value)
		}
		packet, err := goldap.CompileFilter(l.all([]string{s, s}))
		if err != nil {
			t.Fatalf("%q: %v", l.all([]string{s}), err)
		}
		// (& (objectClass=…) (| (mail=s) (mail=s)))
		if len(packet.Children) != 2 || len(packet.Children[1].Children) != 2 {
			t.Fatalf("%q has another form", l.all([]string{s}))
		}
		one := packet.Children[1].Children[0]
		if one.Tag != goldap.FilterEqualityMatch || one.Children[1].Data.String() != s {
			t.Fatalf("%q asks for %q", s, one.Children[1].Data.String())
		}
	})
}

func FuzzDescription(f *testing.F) {
	f.Add("( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC 'RFC2256: last (family) name(s)' SUP name )")
	f.Add("( 1.2 NAME 'x' AUXILIARY MAY ( a $ b ) )")
	f.Add("((('")
	f.Fuzz(func(t *testing.T, s string) {
		for _, n := range parseDescription(s).names {
			if !strings.Contains(strings.ToLower(s), n) && !strings.ContainsRune(n, 0xFFFD) {
				t.Errorf("%q is in no %q", n, s)
			}
		}
	})
}

func FuzzPassword(f *testing.F) {
	for _, s := range []string{"$6$a$b", "{CRYPT}$6$a$b", "{crypt}$2y$10$x", "{SSHA}x", "{PBKDF2-SHA256}1$a$b", "$pbkdf2-sha512$1$a$b", "{SCRAM-SHA-256}4096,a,b,c", "secret"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := schema.ParsePasswordHash(s); err == nil && declared(stored(s)) != s {
			t.Errorf("%q comes back as %q", s, declared(stored(s)))
		}
		if again := declared(stored(declared(s))); again != declared(s) {
			t.Errorf("%q is read as %q and then as %q", s, declared(s), again)
		}
	})
}

func TestDefinitionsOfAServerAreRead(t *testing.T) {
	for text, want := range map[string][]string{
		"( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC 'RFC2256: NAME ( x ) of it' SUP name )": {"sn", "surname"},
		"( 1.2 NAME 'mailQuota' DESC 'a' SYNTAX 1.3{256} SINGLE-VALUE )":                {"mailquota"},
		"( 1.2 DESC 'NAME' )": nil,
		"( 1.2 NAME 'open":    nil,
		"":                    nil,
	} {
		if got := parseDescription(text).names; !slices.Equal(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestOutOfABlockComeMappings(t *testing.T) {
	s := cty.StringVal
	for what, c := range map[string]struct {
		kind  int
		block map[string]cty.Value
		want  string
	}{
		"nothing said":                    {0, nil, ""},
		"an alias of NIS":                 {1, map[string]cty.Value{"object_classes": cty.ListVal([]cty.Value{s("nisMailAlias")}), "attributes": cty.MapVal(map[string]cty.Value{"address": s("cn"), "members": s("rfc822MailMember")})}, ""},
		"a word that is none":             {0, map[string]cty.Value{"attributes": cty.MapVal(map[string]cty.Value{"qouta": s("x")})}, `there is no "qouta". Did you mean "quota"`},
		"a name that is none":             {0, map[string]cty.Value{"attributes": cty.MapVal(map[string]cty.Value{"quota": s("a)(b")})}, `"a)(b" is no name of an attribute`},
		"one attribute for two things":    {0, map[string]cty.Value{"attributes": cty.MapVal(map[string]cty.Value{"quota": s("Mail")})}, "Mail would hold both address and quota"},
		"no address":                      {0, map[string]cty.Value{"attributes": cty.MapVal(map[string]cty.Value{"address": s("")})}, "address cannot be empty"},
		"one name for all":                {0, map[string]cty.Value{"rdn": s("uid=x")}, "all entries would have one name"},
		"a placeholder that is none":      {0, map[string]cty.Value{"rdn": s("uid={user}")}, "{address}, {local} and {domain}"},
		"a name without a value":          {0, map[string]cty.Value{"rdn": s("uid")}, "uid={address}"},
		"a filter without parentheses":    {0, map[string]cty.Value{"filter": s("(a=b")}, "is no filter"},
		"a base that is none":             {0, map[string]cty.Value{"base": s("example.com")}, "is no name of an entry"},
		"a class that is none":            {0, map[string]cty.Value{"object_classes": cty.ListVal([]cty.Value{s("a b")})}, "no name of a class"},
		"a further attribute that is one": {0, map[string]cty.Value{"new": cty.MapVal(map[string]cty.Value{"gidNumber": s("8"), "cn": s("")})}, ""},
	} {
		block := cty.NilVal
		if c.block != nil {
			block = cty.ObjectVal(c.block)
		}
		_, err := parseMapping(&standards[c.kind], block)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
