package providertest

import (
	"fmt"
	"strings"
)

// textGroups are about the texts of TXT records.
func textGroups() []ZoneGroup {
	complex := ZoneGroup{Name: "complex TXT"}
	for _, n := range []int{0, 254, 255, 256, 509, 510, 511, 764, 765, 766} {
		text := strings.Repeat("0123456789", n/10+1)[:n]
		complex.Steps = append(complex.Steps, step(fmt.Sprint(n, " octets"), set("foo", "TXT", text)))
	}
	for _, c := range [][2]string{
		{"a single quote", `quo'te`},
		{"a backtick", "blah`blah"},
		{"a double quote inside", `quo"te`},
		{"two double quotes inside", `q"uo"te`},
		{"a double quote at the left", `"left`},
		{"a double quote at the right", `right"`},
		{"quotes around all of it", `"around"`},
		{"a semicolon", `semicolon;here`},
		{"semicolons with spaces", `wr ; d; x ;`},
		{"spaces inside", `with  two  spaces`},
		{"a space at the end", `trailing space `},
		{"a space at the left", ` leading space`},
		{"parentheses", `(in parentheses)`},
		{"an @ and a $", `@ $ORIGIN ${x} %{y} $$`},
		{"an SPF policy", `v=spf1 include:mail.example.net a:mail.example.net -all`},
		{"not ASCII", `Grüße, 世界`},
	} {
		complex.Steps = append(complex.Steps, step(c[0], set("foo", "TXT", c[1])))
	}
	return []ZoneGroup{
		complex,
		group("backslashes in TXT",
			step("one", set("foo", "TXT", `1back\slash`)),
			step("two", set("foo", "TXT", `2back\\slash`)),
			step("three", set("foo", "TXT", `3back\\\slash`)),
			step("four", set("foo", "TXT", `4back\\\\slash`)),
			step("before a quote, and at the end", set("foo", "TXT", `a\"b\`)),
			step("what looks like an escape", set("foo", "TXT", `\065\n\x41`)),
		),
		group("several TXT",
			step("two that differ in letter case", set("foo", "TXT", "Token", "token")),
			step("two long ones that begin alike", set("foo", "TXT", strings.Repeat("x", 300)+"1", strings.Repeat("x", 300)+"2")),
			step("one that is the other cut in two", set("foo", "TXT", "ab", "a", "b")),
		),
		group("the greatest TXT",
			step("4,000 octets", set("foo", "TXT", strings.Repeat("abcdefgh", 500))),
		),
	}
}

// nameGroups are about letter case, other scripts, and the limits of names.
func nameGroups() []ZoneGroup {
	label := strings.Repeat("a", 63)
	// example.com. takes 12 octets of 253.
	longest := strings.Join([]string{label, label, label, strings.Repeat("b", 49)}, ".")
	return []ZoneGroup{
		group("letter case",
			step("upper name and target", set("DECOY", "A", "192.0.2.1"), set("Foo", "CNAME", "Target.Example.Net.")),
			step("lower name", set("decoy", "A", "192.0.2.2"), set("foo", "CNAME", "Target.Example.Net.")),
			step("lower target", set("decoy", "A", "192.0.2.3"), set("Foo", "CNAME", "target.example.net.")),
			step("upper again", set("decoy", "A", "192.0.2.4"), set("FOO", "CNAME", "TARGET.EXAMPLE.NET.")),
			same("and lower", set("decoy", "a", "192.0.2.4"), set("foo", "cname", "target.example.net")),
		),
		group("IDNA",
			step("a name", set("ööö", "A", "192.0.2.1")),
			step("change it", set("ööö", "A", "192.0.2.2")),
			same("its A-label", set("xn--ndaaa", "A", "192.0.2.2")),
			step("another script", set("中文", "A", "192.0.2.2")),
			step("a target", set("a", "CNAME", "ööö.example.net.")),
			step("name, target and top level", set("öäü", "CNAME", "ööö.企业.")),
		),
		group("names at their limits",
			step("a label of 63 octets", set(label, "A", "192.0.2.1")),
			refusal("of 64", "63", set(label+"a", "A", "192.0.2.1")),
			step("a name of 253 octets", set(longest, "A", "192.0.2.1")),
			refusal("of 254", "too long", set(longest+"b", "A", "192.0.2.1")),
		),
		group("odd names",
			step("an underscore", set("_a._tcp", "TXT", "x")),
			step("a dot within a label", set(`first\.last`, "TXT", "x")),
			step("a slash", set("0/25", "TXT", "x")),
			step("digits", set("1", "A", "192.0.2.1")),
			step("hyphens", set("a--b", "A", "192.0.2.1")),
			step("a deep one", set("a.b.c.d.e", "A", "192.0.2.1")),
			step("and one between", set("a.b.c.d.e", "A", "192.0.2.1"), set("c.d.e", "A", "192.0.2.2")),
			step("without the deep one", set("c.d.e", "A", "192.0.2.2")),
		),
	}
}

// sizeGroups are about many names.
func sizeGroups() []ZoneGroup {
	pager := func(n int) ZoneGroup {
		return group(fmt.Sprint(n, " names"),
			step("create", series(n, "pager-%04d", "A", "192.0.2.1")...),
			step("update", series(n, "pager-%04d", "A", "192.0.2.2")...),
		)
	}
	return []ZoneGroup{
		group("99 to 101 names",
			step("99", series(99, "pager-%04d", "A", "192.0.2.1")...),
			step("100", series(100, "pager-%04d", "A", "192.0.2.1")...),
			step("101", series(101, "pager-%04d", "A", "192.0.2.1")...),
		),
		pager(600),
		pager(1200),
		group("a batch of everything",
			step("create", series(600, "batch-%04d", "A", "192.0.2.1")...),
			step("update half, delete a third, create others",
				append(append(series(300, "batch-%04d", "A", "192.0.2.2"), series(400, "batch-%04d", "A", "192.0.2.1")[300:]...),
					series(300, "other-%04d", "A", "192.0.2.1")...)...),
			step("delete all"),
		),
		group("many values",
			step("200 of them", set("many", "AAAA", numbered(200, "2001:db8::%x")...)),
			step("one less", set("many", "AAAA", numbered(199, "2001:db8::%x")...)),
		),
	}
}

func numbered(n int, format string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i+1)
	}
	return out
}
