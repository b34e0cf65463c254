package providertest

// foreign is what others keep in the zone of the ignore cases.
var foreign = []Set{
	set("foo", "TXT", "simple"), set("foo", "A", "192.0.2.1"), set("bar", "A", "192.0.2.5"), set("mail", "CNAME", "mail.example.net."),
}

// ignores makes a group of a full zone, of which files then say less and ignore
// the rest, and the full zone once more, for which nothing may have been lost.
func ignores(name string, rest []Set, rules []Ignore, kept ...Set) ZoneGroup {
	full := append(append([]Set{}, rest...), kept...)
	return group(name,
		step("everything", full...),
		ZoneStep{Name: "the rest, and the others ignored", Sets: rest, Ignore: rules, Kept: kept, Same: true},
		same("everything still", full...),
	)
}

// ignoreGroups are about records that somebody else makes in the same zone.
func ignoreGroups() []ZoneGroup {
	fooTXT, fooA, barA, mail := foreign[0], foreign[1], foreign[2], foreign[3]
	apexTXT, apexA := set("@", "TXT", "simple"), set("@", "A", "192.0.2.1")
	all := func(sets ...Set) []Set { return sets }
	rule := func(name, rrtype, value string) []Ignore { return []Ignore{{name, rrtype, value}} }
	return []ZoneGroup{
		ignores("ignore a name", all(barA, mail), rule("foo", "", ""), fooTXT, fooA),
		ignores("ignore a name and type", all(fooA, barA, mail), rule("foo", "TXT", ""), fooTXT),
		ignores("ignore a name, type and value", all(fooTXT, barA, mail), rule("foo", "A", "192.0.2.1"), fooA),
		ignores("ignore a type", all(fooTXT, fooA, barA), rule("", "CNAME", ""), mail),
		ignores("ignore a type and value", all(fooTXT, fooA, mail), rule("", "A", "192.0.2.5"), barA),
		ignores("ignore a value", all(fooTXT, fooA, barA), rule("", "", "mail.example.net."), mail),
		ignores("ignore two types", all(fooTXT, fooA), []Ignore{{"bar", "A", ""}, {"", "CNAME", ""}}, barA, mail),
		ignores("ignore any value", all(fooTXT, barA, mail), rule("foo", "A", "*"), fooA),
		ignores("ignore the zone's own name", all(barA), []Ignore{{"@", "TXT", ""}, {"@", "A", ""}}, apexTXT, apexA),
		ignores("ignore a type at the zone's own name", all(apexA, barA), rule("@", "TXT", ""), apexTXT),
		ignores("ignore everything", nil, rule("*", "", ""), foreign...),
		ignores("ignore a pattern in front", all(barA), rule("foo.*", "", ""), set("foo.one", "A", "192.0.2.1"), set("foo.two", "TXT", "x")),
		ignores("ignore a pattern of values", all(barA), rule("", "CNAME", "*.acm.example.net."), set("x", "CNAME", "a.b.acm.example.net.")),
		group("ignore what is declared",
			step("begin", fooA, barA),
			ZoneStep{Name: "the same record", Sets: all(fooA, barA), Ignore: rule("foo", "A", "192.0.2.*"), Refused: "ignore"},
			ZoneStep{Name: "the NS records that the zone has by itself", Sets: all(fooA, barA), Ignore: rule("@", "", ""), Refused: "ignore"},
		),
		group("ignore, and change elsewhere",
			step("everything", fooTXT, fooA, barA),
			ZoneStep{Name: "change another name", Sets: all(set("bar", "A", "192.0.2.9")), Ignore: rule("foo", "", ""), Kept: all(fooTXT, fooA)},
			same("the others are still there", fooTXT, fooA, set("bar", "A", "192.0.2.9")),
		),
		group("ignore, and change another type of the name",
			step("everything", fooTXT, fooA, set("foo", "MX", "10 mx.example.net.")),
			ZoneStep{Name: "change the address", Sets: all(set("foo", "A", "192.0.2.9")),
				Ignore: []Ignore{{"foo", "TXT", ""}, {"foo", "MX", ""}}, Kept: all(fooTXT, set("foo", "MX", "10 mx.example.net."))},
			same("the others are still there", fooTXT, set("foo", "A", "192.0.2.9"), set("foo", "MX", "10 mx.example.net.")),
		),
		group("ignore, and change another value of the record set",
			step("everything", set("@", "TXT", "v=spf1 mx -all", "google-site-verification=AbC123")),
			ZoneStep{Name: "another policy", Sets: all(set("@", "TXT", "v=spf1 -all")),
				Ignore: rule("@", "TXT", "google-site-verification=*"), Kept: all(set("@", "TXT", "google-site-verification=AbC123"))},
			same("the other is still there", set("@", "TXT", "v=spf1 -all", "google-site-verification=AbC123")),
		),
		group("ignore, and add beside it (DNSControl #2285)",
			step("everything", set("foo", "CNAME", "foo.acm.example.net.")),
			ZoneStep{Name: "add", Sets: all(barA), Ignore: rule("", "CNAME", "*.acm.example.net."), Kept: all(set("foo", "CNAME", "foo.acm.example.net."))},
			ZoneStep{Name: "change (#3227)", Sets: all(set("bar", "A", "192.0.2.9")), Ignore: rule("", "CNAME", "*.acm.example.net."), Kept: all(set("foo", "CNAME", "foo.acm.example.net."))},
			ZoneStep{Name: "and again", Sets: all(barA), Ignore: rule("", "CNAME", "*.acm.example.net."), Kept: all(set("foo", "CNAME", "foo.acm.example.net."))},
		),
	}
}
