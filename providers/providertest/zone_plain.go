package providertest

// plainGroups make and change one thing.
func plainGroups() []ZoneGroup {
	return []ZoneGroup{
		group("A",
			step("create", set("testa", "A", "192.0.2.1")),
			step("change the target", set("testa", "A", "192.0.2.2")),
		),
		group("apex",
			step("create", set("@", "A", "192.0.2.1")),
			step("change the target", set("@", "A", "192.0.2.2")),
		),
		group("AAAA",
			step("create", set("testaaaa", "AAAA", "2607:f8b0:4006:820::2006")),
			step("change the target", set("testaaaa", "AAAA", "2607:f8b0:4006:820::2013")),
			same("write it out", set("testaaaa", "AAAA", "2607:F8B0:4006:0820:0000:0000:0000:2013")),
		),
		group("CNAME",
			step("create", set("testcname", "CNAME", "www.example.net.")),
			step("change the target", set("testcname", "CNAME", "www.example.org.")),
			same("leave out the dot", set("testcname", "CNAME", "www.example.org")),
		),
		group("TXT",
			step("create", set("testtxt", "TXT", "simple")),
			step("change the text", set("testtxt", "TXT", "changed")),
		),
		group("wildcard",
			step("create * and www", set("*", "A", "192.0.2.1"), set("www", "A", "192.0.2.1")),
			step("delete * alone", set("www", "A", "192.0.2.1")),
			step("a wildcard below a name", set("www", "A", "192.0.2.1"), set("*.deep", "TXT", "wild")),
		),
		group("CNAME, short",
			step("a label alone is below the zone", set("foo", "CNAME", "bar"), set("bar", "A", "192.0.2.1")),
		),
		group("CNAME to the zone",
			step("create", set("cname1", "CNAME", "@"), set("@", "A", "192.0.2.1")),
			same("by its name", set("cname1", "CNAME", "example.com."), set("@", "A", "192.0.2.1")),
		),
		group("MX to the zone",
			step("create", set("@", "MX", "10 @"), set("@", "A", "192.0.2.1")),
		),
		group("MX",
			step("create at the zone", set("@", "MX", "5 mail.example.net.")),
			step("change the target", set("@", "MX", "5 mx.example.net.")),
			step("create below", set("@", "MX", "5 mx.example.net."), set("testmx", "MX", "5 mail.example.net.")),
			step("change the target below", set("@", "MX", "5 mx.example.net."), set("testmx", "MX", "5 mx.example.net.")),
			step("change the preference alone", set("@", "MX", "5 mx.example.net."), set("testmx", "MX", "100 mx.example.net.")),
		),
		group("RP",
			step("create", set("rp1", "RP", "user.example.net. info.example.net.")),
			step("change the mailbox", set("rp1", "RP", "usernew.example.net. info.example.net.")),
			step("change the text", set("rp1", "RP", "usernew.example.net. new.example.net.")),
		),
		group("RP, short",
			step("create", set("rp2", "RP", "user server")),
			step("change the mailbox", set("rp2", "RP", "usernew server")),
			step("change the text", set("rp2", "RP", "usernew newserver")),
			same("in full", set("rp2", "RP", "usernew.example.com. newserver.example.com.")),
		),
	}
}

// changeGroups go through several changes at once, times to live and types.
func changeGroups() []ZoneGroup {
	return []ZoneGroup{
		group("many at once",
			step("three at one name", set("www", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3")),
			step("none"),
			step("one", set("www", "A", "192.0.2.1")),
			step("a second", set("www", "A", "192.0.2.1", "192.0.2.2")),
			step("a third", set("www", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3")),
			same("in another order, one of them twice", set("www", "A", "192.0.2.3", "192.0.2.1", "192.0.2.2", "192.0.2.1")),
		),
		group("many types at once",
			step("A and two MX", set("www", "A", "192.0.2.1"), set("www", "MX", "4 mx1.example.net.", "5 mx2.example.net.")),
			step("none"),
			step("A", set("www", "A", "192.0.2.1")),
			step("and MX", set("www", "A", "192.0.2.1"), set("www", "MX", "5 mx1.example.net.")),
			step("and a second MX", set("www", "A", "192.0.2.1"), set("www", "MX", "5 mx1.example.net.", "4 mx2.example.net.")),
		),
		group("TTL of one",
			step("create", set("www", "A", "192.0.2.1").In("600s")),
			step("change the TTL alone", set("www", "A", "192.0.2.1").In("1000s")),
			same("in other words", set("www", "A", "192.0.2.1").In("16m40s")),
		),
		group("TTL",
			step("begin", set("@", "A", "192.0.2.1").In("600s"), set("www", "A", "192.0.2.2", "192.0.2.3").In("700s"), set("@", "TXT", "text").In("700s")),
			step("change that of the zone's own address", set("@", "A", "192.0.2.1").In("1000s"), set("www", "A", "192.0.2.2", "192.0.2.3").In("700s"), set("@", "TXT", "text").In("700s")),
			step("change one value and no TTL", set("@", "A", "192.0.2.1").In("1000s"), set("www", "A", "192.0.2.2", "192.0.2.4").In("700s"), set("@", "TXT", "text").In("700s")),
			step("change all TTLs", set("@", "A", "192.0.2.1").In("333s"), set("www", "A", "192.0.2.2", "192.0.2.4").In("333s"), set("@", "TXT", "text").In("333s")),
			step("TTL and value", set("@", "A", "192.0.2.9").In("334s"), set("www", "A", "192.0.2.2", "192.0.2.4").In("333s"), set("@", "TXT", "text").In("333s")),
		),
		group("TTL limits",
			step("none at all", set("www", "A", "192.0.2.1").In("0s")),
			step("the greatest", set("www", "A", "192.0.2.1").In("2147483647s")),
			refusal("one more", "ttl", set("www", "A", "192.0.2.1").In("2147483648s")),
		),
		group("add to a name and change the old TTL",
			step("one", set("www", "A", "192.0.2.1").In("400s")),
			step("two, with another TTL", set("www", "A", "192.0.2.1", "192.0.2.2").In("700s")),
		),
		group("change of type",
			step("A", set("foo", "A", "192.0.2.1")),
			step("to MX", set("foo", "MX", "5 mx.example.net.")),
			step("back", set("foo", "A", "192.0.2.1")),
		),
		group("change of type, hard",
			step("CNAME", set("foo", "CNAME", "target.example.net.")),
			step("to A", set("foo", "A", "192.0.2.1")),
			step("back", set("foo", "CNAME", "target.example.net.")),
		),
		group("change of type, harder",
			step("a name with three types", set("foo", "A", "192.0.2.1"), set("foo", "TXT", "text"), set("foo", "MX", "5 mx.example.net.")),
			step("to a CNAME", set("foo", "CNAME", "target.example.net.")),
			step("back", set("foo", "A", "192.0.2.1"), set("foo", "TXT", "text"), set("foo", "MX", "5 mx.example.net.")),
			step("a CNAME here and an A there",
				set("foo", "CNAME", "bar.example.com."), set("bar", "A", "192.0.2.1")),
			step("the other way round", set("bar", "CNAME", "foo.example.com."), set("foo", "A", "192.0.2.1")),
		),
		group("by name",
			step("begin", set("foo", "A", "192.0.2.1", "192.0.2.2"), set("foo", "TXT", "text"), set("bar", "A", "192.0.2.3")),
			step("change one", set("foo", "A", "192.0.2.1", "192.0.2.9"), set("foo", "TXT", "text"), set("bar", "A", "192.0.2.3")),
			step("delete one", set("foo", "A", "192.0.2.9"), set("foo", "TXT", "text"), set("bar", "A", "192.0.2.3")),
			step("add one", set("foo", "A", "192.0.2.9"), set("foo", "TXT", "text"), set("foo", "MX", "1 mx.example.net."), set("bar", "A", "192.0.2.3")),
		),
		group("by record set",
			step("begin", set("foo", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3"), set("foo", "MX", "10 mx1.example.net.", "20 mx2.example.net.")),
			step("change one value", set("foo", "A", "192.0.2.9", "192.0.2.2", "192.0.2.3"), set("foo", "MX", "10 mx1.example.net.", "20 mx2.example.net.")),
			step("delete one value", set("foo", "A", "192.0.2.2", "192.0.2.3"), set("foo", "MX", "10 mx1.example.net.", "20 mx2.example.net.")),
			step("add one value", set("foo", "A", "192.0.2.2", "192.0.2.3", "192.0.2.4"), set("foo", "MX", "10 mx1.example.net.", "20 mx2.example.net.")),
		),
		group("SOA",
			ZoneStep{Name: "all of it", Zone: `
  primary      = "ns9.example.net"
  contact      = "dns.admin@example.com"
  refresh      = "2h"
  retry        = "20m"
  expire       = "10d"
  negative_ttl = "10m"`},
			ZoneStep{Name: "the primary server", Zone: `
  primary      = "ns8.example.net"
  contact      = "dns.admin@example.com"
  refresh      = "2h"
  retry        = "20m"
  expire       = "10d"
  negative_ttl = "10m"`},
			ZoneStep{Name: "the contact", Zone: `
  primary      = "ns8.example.net"
  contact      = "hostmaster@example.net"
  refresh      = "2h"
  retry        = "20m"
  expire       = "10d"
  negative_ttl = "10m"`},
			ZoneStep{Name: "refresh", Zone: `
  primary      = "ns8.example.net"
  contact      = "hostmaster@example.net"
  refresh      = "3h"
  retry        = "20m"
  expire       = "10d"
  negative_ttl = "10m"`},
			ZoneStep{Name: "retry", Zone: `
  primary      = "ns8.example.net"
  contact      = "hostmaster@example.net"
  refresh      = "3h"
  retry        = "30m"
  expire       = "10d"
  negative_ttl = "10m"`},
			ZoneStep{Name: "expire", Zone: `
  primary      = "ns8.example.net"
  contact      = "hostmaster@example.net"
  refresh      = "3h"
  retry        = "30m"
  expire       = "20d"
  negative_ttl = "10m"`},
			ZoneStep{Name: "the negative TTL", Zone: `
  primary      = "ns8.example.net"
  contact      = "hostmaster@example.net"
  refresh      = "3h"
  retry        = "30m"
  expire       = "20d"
  negative_ttl = "20m"`},
		),
	}
}
