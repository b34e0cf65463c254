package schema

var textFunctions = []*Function{
	fn(GroupText, "chomp(str string) string", "The text without line breaks at its end.", `chomp("a\n")`, `"a"`),
	fn(GroupText, "endswith(text string, part string) bool", "Whether the text ends in the part.", `endswith("mail.example.com", ".com")`, `true`),
	fn(GroupText, "format(format string, args any...) any", "The format with its verbs (`%s`, `%d`, `%05.2f`, `%q`, `%#v`, `%%`) replaced by the arguments.", `format("%s-%03d", "mx", 7)`, `"mx-007"`),
	fn(GroupText, "formatlist(format string, args any...) any", "The same for each element of the lists among the arguments.", `formatlist("%s@example.com", ["al", "bo"])`, `tolist(["al@example.com", "bo@example.com"])`),
	fn(GroupText, "indent(spaces number, str string) string", "The text with that many spaces before each line but the first.", `indent(2, "a\nb")`, `"a\n  b"`),
	fn(GroupText, "join(separator string, lists list(string)...) string", "The elements of the lists with the separator between them.", `join(", ", ["a", "b"])`, `"a, b"`),
	fn(GroupText, "lower(str string) string", "The text in lower case.", `lower("MX")`, `"mx"`),
	fn(GroupText, "regex(pattern string, string string) any", "What a regular expression (RE2) matches first: a text, or a list or an object of its groups. An error where it matches nothing.", `regex("^[^@]+", "alice@example.com")`, `"alice"`),
	fn(GroupText, "regexall(pattern string, string string) any", "All that a regular expression matches, as a list.", `regexall("[a-z]+", "a1bc2")`, `tolist(["a", "bc"])`),
	fn(GroupText, "replace(text string, search string, replacement string) string", "The text with each occurrence replaced. A search between slashes is a regular expression, and `$1` stands for its first group.", `[replace("a.b", ".", "-"), replace("a1", "/[0-9]/", "x")]`, `["a-b", "ax"]`),
	fn(GroupText, "split(separator string, str string) list(string)", "The text cut at each separator.", `split("@", "alice@example.com")`, `tolist(["alice", "example.com"])`),
	fn(GroupText, "startswith(text string, part string) bool", "Whether the text begins with the part.", `startswith("mail.example.com", "mail.")`, `true`),
	fn(GroupText, "strcontains(text string, part string) bool", "Whether the part is anywhere in the text.", `strcontains("example.com", "ample")`, `true`),
	fn(GroupText, "strrev(str string) string", "The text, its characters in reverse.", `strrev("abc")`, `"cba"`),
	fn(GroupText, "substr(str string, offset number, length number) string", "A part of the text. A negative offset counts from the end; the length -1 means all the rest.", `substr("example", 2, 3)`, `"amp"`),
	fn(GroupText, "templatestring(template string, vars any) any", "A template that comes from elsewhere, such as a variable, with the attributes of the object as its variables. It sees all functions but those that render templates.", `templatestring("$${name}!", { name = "Alice" })`, `"Alice!"`),
	fn(GroupText, "title(str string) string", "The text with the first letter of each word in upper case.", `title("al bo")`, `"Al Bo"`),
	fn(GroupText, "trim(str string, cutset string) string", "The text without the characters of the set at both ends.", `trim("..a.b.", ".")`, `"a.b"`),
	fn(GroupText, "trimprefix(str string, prefix string) string", "The text without the prefix, if it begins with it.", `trimprefix("mail.example", "mail.")`, `"example"`),
	fn(GroupText, "trimspace(str string) string", "The text without white space at both ends.", `trimspace(" a\n")`, `"a"`),
	fn(GroupText, "trimsuffix(str string, suffix string) string", "The text without the suffix, if it ends in it.", `trimsuffix("example.", ".")`, `"example"`),
	fn(GroupText, "upper(str string) string", "The text in upper case.", `upper("mx")`, `"MX"`),
}

var numberFunctions = []*Function{
	fn(GroupNumber, "abs(num number) number", "The number without its sign.", `abs(-2)`, `2`),
	fn(GroupNumber, "ceil(num number) number", "The nearest whole number that is not less.", `ceil(1.2)`, `2`),
	fn(GroupNumber, "floor(num number) number", "The nearest whole number that is not more.", `floor(1.8)`, `1`),
	fn(GroupNumber, "log(num number, base number) number", "The logarithm to a base.", `log(16, 2)`, `4`),
	fn(GroupNumber, "max(numbers number...) number", "The largest of the numbers. `max(list...)` takes those of a list.", `max(1, 3, 2)`, `3`),
	fn(GroupNumber, "min(numbers number...) number", "The smallest of the numbers.", `min(1, 3, 2)`, `1`),
	fn(GroupNumber, "parseint(number any, base number) number", "The whole number that a text is in a base from 2 to 62.", `parseint("ff", 16)`, `255`),
	fn(GroupNumber, "pow(base number, exponent number) number", "A power. The exponent lies between -1024 and 1024.", `pow(2, 10)`, `1024`),
	fn(GroupNumber, "signum(num number) number", "-1, 0 or 1 for a negative number, zero, or a positive one.", `signum(-5)`, `-1`),
	fn(GroupNumber, "sum(numbers any) number", "The sum of a list or a set of numbers, which is not empty.", `sum([1, 2.5])`, `3.5`),
}

var encodingFunctions = []*Function{
	fn(GroupEncoding, "base64decode(text string) string", "The text that base64 stands for. What is not UTF-8 is refused.", `base64decode("YWI=")`, `"ab"`),
	fn(GroupEncoding, "base64encode(text string) string", "The text in base64.", `base64encode("ab")`, `"YWI="`),
	fn(GroupEncoding, "base64gunzip(text string) string", "The text that base64 of gzip stands for.", `base64gunzip(base64gzip("ab"))`, `"ab"`),
	fn(GroupEncoding, "base64gzip(text string) string", "The text compressed by gzip, in base64.", `length(base64gzip("ab")) > 0`, `true`),
	fn(GroupEncoding, "csvdecode(str string) any", "The lines of a table, each an object whose attributes are named by the first line (RFC 4180).", `csvdecode("name,quota\nal,1GiB\n")[0].quota`, `"1GiB"`),
	fn(GroupEncoding, "jsondecode(text string) any", "The value that a JSON text stands for.", `jsondecode("{\"a\":[1]}").a[0]`, `1`),
	fn(GroupEncoding, "jsonencode(val any) string", "The value as JSON.", `jsonencode({ a = [1, "x"] })`, `"{\"a\":[1,\"x\"]}"`),
	fn(GroupEncoding, "textdecodebase64(text string, encoding string) string", "The text that base64 of another encoding stands for, by its name at IANA.", `textdecodebase64("/A==", "ISO-8859-1")`, `"ü"`),
	fn(GroupEncoding, "textencodebase64(text string, encoding string) string", "The text in another encoding, in base64.", `textencodebase64("ü", "ISO-8859-1")`, `"/A=="`),
	fn(GroupEncoding, "urldecode(text string) string", "The text that an encoding for URLs stands for.", `urldecode("a+b%2F")`, `"a b/"`),
	fn(GroupEncoding, "urlencode(text string) string", "The text encoded for the query of a URL.", `urlencode("a b/")`, `"a+b%2F"`),
	fn(GroupEncoding, "yamldecode(text string) any", "The value that a YAML text stands for.", `yamldecode("a:\n  - 1\n").a[0]`, `1`),
	fn(GroupEncoding, "yamlencode(value any) string", "The value as YAML.", `yamlencode({ a = 1 })`, `"\"a\": 1\n"`),
}

var fileFunctions = []*Function{
	fn(GroupFile, "abspath(text string) string", "The path made absolute.", `abspath("/etc/../srv")`, ``),
	fn(GroupFile, "basename(text string) string", "The last part of a path.", `basename("keys/dkim.pem")`, `"dkim.pem"`),
	fn(GroupFile, "dirname(text string) string", "A path without its last part.", `dirname("keys/dkim.pem")`, `"keys"`),
	fn(GroupFile, "file(path string) string", "The contents of a file, which is UTF-8 text. Relative paths start from the directory of the configuration.", `file("staff.csv")`, ``),
	fn(GroupFile, "filebase64(path string) string", "The contents of a file, in base64.", `filebase64("logo.png")`, ``),
	fn(GroupFile, "fileexists(path string) bool", "Whether there is a file at the path.", `fileexists("staff.csv")`, ``),
	fn(GroupFile, "fileset(path string, pattern string) set(string)", "The files below a directory whose names match a pattern: `*`, `?`, `**`, `{a,b}`, `[a-z]`.", `fileset("keys", "*.pem")`, ``),
	fn(GroupFile, "pathexpand(text string) string", "The path with `~` at its beginning replaced by the home directory.", `pathexpand("/srv")`, `"/srv"`),
	fn(GroupFile, "templatefile(path string, vars any) any", "A file rendered as a template, with the attributes of the object as its variables. It sees all functions but those that render templates.", `templatefile("welcome.tpl", { name = "Alice" })`, ``),
}

var dateFunctions = []*Function{
	fn(GroupDate, "formatdate(format string, time string) string", "A time in another form: `YYYY`, `MM`, `MMM`, `DD`, `EEE`, `hh`, `mm`, `ss`, `Z`.", `formatdate("YYYYMMDD", "2026-01-31T12:00:00Z")`, `"20260131"`),
	fn(GroupDate, "plantimestamp() string", "The time that the plan is made for: what `mailform plan -at` gives, which a saved plan keeps for its apply. Without `-at` it is an error, so that the same files make the same plan.", `formatdate("YYYYMMDD", plantimestamp())`, ``),
	fn(GroupDate, "timeadd(timestamp string, duration string) string", "A time some `h`, `m` and `s` later, or earlier.", `timeadd("2026-01-31T12:00:00Z", "24h")`, `"2026-02-01T12:00:00Z"`),
	fn(GroupDate, "timecmp(timestamp_a string, timestamp_b string) number", "-1, 0 or 1 where the first of two times is earlier, the same, or later.", `timecmp("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+01:00")`, `1`),
}

var hashFunctions = []*Function{
	fn(GroupHash, "base64sha256(text string) string", "The SHA-256 hash of a text, in base64.", `base64sha256("a")`, `"ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="`),
	fn(GroupHash, "base64sha512(text string) string", "The SHA-512 hash of a text, in base64.", `length(base64sha512("a"))`, `88`),
	fn(GroupHash, "filebase64sha256(path string) string", "The SHA-256 hash of a file, in base64.", `filebase64sha256("logo.png")`, ``),
	fn(GroupHash, "filebase64sha512(path string) string", "The SHA-512 hash of a file, in base64.", `filebase64sha512("logo.png")`, ``),
	fn(GroupHash, "filemd5(path string) string", "The MD5 hash of a file, in hexadecimal digits.", `filemd5("logo.png")`, ``),
	fn(GroupHash, "filesha1(path string) string", "The SHA-1 hash of a file, in hexadecimal digits.", `filesha1("logo.png")`, ``),
	fn(GroupHash, "filesha256(path string) string", "The SHA-256 hash of a file, in hexadecimal digits.", `filesha256("logo.png")`, ``),
	fn(GroupHash, "filesha512(path string) string", "The SHA-512 hash of a file, in hexadecimal digits.", `filesha512("logo.png")`, ``),
	fn(GroupHash, "md5(text string) string", "The MD5 hash of a text, in hexadecimal digits. It keeps nobody from making another text with the same hash.", `md5("a")`, `"0cc175b9c0f1b6a831c399e269772661"`),
	fn(GroupHash, "sha1(text string) string", "The SHA-1 hash of a text, in hexadecimal digits.", `sha1("a")`, `"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"`),
	fn(GroupHash, "sha256(text string) string", "The SHA-256 hash of a text, in hexadecimal digits.", `substr(sha256("a"), 0, 8)`, `"ca978112"`),
	fn(GroupHash, "sha512(text string) string", "The SHA-512 hash of a text, in hexadecimal digits.", `length(sha512("a"))`, `128`),
	fn(GroupHash, "uuidv5(namespace string, name string) string", "A UUID that is the same for the same name each time (RFC 9562 §5.5). The namespace is `dns`, `url`, `oid`, `x500` or a UUID.", `uuidv5("dns", "www.example.com")`, `"2ed6657d-e927-568b-95e1-2665a8aea6a2"`),
}

var networkFunctions = []*Function{
	fn(GroupNetwork, "cidrcontains(containing_prefix string, contained_ip_or_prefix string) bool", "Whether an address, or all of a second network, lies in a network.", `cidrcontains("192.0.2.0/24", "192.0.2.25")`, `true`),
	fn(GroupNetwork, "cidrhost(prefix string, hostnum number) string", "The address with a number in a network. A negative number counts from the end.", `cidrhost("192.0.2.0/24", 5)`, `"192.0.2.5"`),
	fn(GroupNetwork, "cidrnetmask(prefix string) string", "The netmask of an IPv4 network.", `cidrnetmask("192.0.2.0/25")`, `"255.255.255.128"`),
	fn(GroupNetwork, "cidrsubnet(prefix string, newbits number, netnum number) string", "The network with a number among those that are longer by some bits.", `cidrsubnet("192.0.2.0/24", 2, 3)`, `"192.0.2.192/26"`),
	fn(GroupNetwork, "cidrsubnets(prefix string, newbits number...) list(string)", "Networks one after the other, each longer by some bits.", `cidrsubnets("192.0.2.0/24", 1, 2)`, `tolist(["192.0.2.0/25", "192.0.2.128/26"])`),
}

var typeFunctions = []*Function{
	fn(GroupType, "can(expression any) bool", "Whether an expression can be evaluated without an error.", `can(tonumber("x"))`, `false`),
	fn(GroupType, "ephemeralasnull(value any) any", "The value with null in the place of what is ephemeral.", `ephemeralasnull("a")`, `"a"`),
	fn(GroupType, "issensitive(value any) bool", "Whether the value is sensitive.", `issensitive(sensitive("a"))`, `true`),
	fn(GroupType, "nonsensitive(value any) any", "The value as one that may be shown. Think twice.", `nonsensitive(sensitive("a"))`, `"a"`),
	fn(GroupType, "sensitive(value any) any", "The value as one that is never shown: `sensitive(file(\"token\"))`.", `issensitive(sensitive("a"))`, `true`),
	fn(GroupType, "tobool(v any) bool", "The value as a bool.", `tobool("true")`, `true`),
	fn(GroupType, "tolist(v any) any", "The value as a list.", `tolist(toset(["b", "a"]))[0]`, `"a"`),
	fn(GroupType, "tomap(v any) any", "The value as a map.", `tomap({ a = 1 })["a"]`, `1`),
	fn(GroupType, "tonumber(v any) number", "The value as a number.", `tonumber("5")`, `5`),
	fn(GroupType, "toset(v any) any", "The value as a set: without order, each element once.", `length(toset(["a", "a"]))`, `1`),
	fn(GroupType, "tostring(v any) string", "The value as a text.", `tostring(true)`, `"true"`),
	fn(GroupType, "try(expressions any...) any", "The first of the expressions that can be evaluated without an error.", `try(tonumber("x"), 0)`, `0`),
	{Group: GroupType, signature: "type(value any) string", ConsoleOnly: true, Doc: "The type of a value, as a variable block would have it. For `mailform console` only."},
}
