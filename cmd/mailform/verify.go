package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/verify"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

// verifyFlags are the options of verify.
type verifyFlags struct {
	resolvers, nameServers, blacklists []string
	caFile, junit, source              string
	probe, probeFrom, passwordFile     string
	json                               bool
	timeout, wait                      time.Duration
}

func (f *verifyFlags) register(fs *flag.FlagSet) {
	fs.Var(listFlag{&f.resolvers}, "resolver", "ADDRESS: ask this resolver, at port 53 where it names none, and hold what it says of our own records to what is declared; may be given several times. Without: the machine's, for what lies elsewhere alone")
	fs.Var(listFlag{&f.nameServers}, "nameserver", "PROVIDER=ADDRESS: where the zones of a provider are asked for, where the files do not tell; may be given several times")
	fs.Var(listFlag{&f.blacklists}, "dnsbl", "LIST: look whether the servers' addresses are on this list (RFC 5782), as zen.spamhaus.org; may be given several times")
	fs.StringVar(&f.source, "source", "", "ADDRESS: speak to mail servers from this address of the machine's; they may trust another one")
	fs.StringVar(&f.caFile, "ca-file", "", "FILE: believe the authorities in this PEM file, and not those of the machine")
	fs.StringVar(&f.probe, "probe", "", "ADDRESS: send this user a message by each way in, and read it by each way out; it is taken away again")
	fs.StringVar(&f.passwordFile, "probe-password-file", "", "FILE: the first line is the password of that user; - is the standard input")
	fs.StringVar(&f.probeFrom, "probe-from", "", "ADDRESS: who that message is from")
	fs.DurationVar(&f.wait, "probe-wait", time.Minute, "DURATION: how long the message may take")
	fs.DurationVar(&f.timeout, "timeout", 10*time.Second, "DURATION: how long each answer may take")
	fs.BoolVar(&f.json, "json", false, "print the results as JSON")
	fs.StringVar(&f.junit, "junit-xml", "", "FILE: write a report in JUnit's XML too")
}

// exitFailed says that something is not as it has to be.
const exitFailed = 2

// verify looks from outside at what runs.
func (a *app) verify(ctx context.Context, args []string) int {
	var o operation
	var f verifyFlags
	fs := flag.NewFlagSet("verify", flag.ContinueOnError)
	varFlags(fs, &o.vars)
	f.register(fs)
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	opts, err := f.options(ctx, a, &o)
	if err != nil {
		return a.failed(err)
	}
	a.heedInterrupts()
	rep := verify.Run(ctx, opts)
	if ctx.Err() != nil {
		return a.fail(errors.New("interrupted: what was looked at so far tells nothing"))
	}
	if err := f.report(a, rep); err != nil {
		return a.fail(err)
	}
	if rep.Failed() {
		return exitFailed
	}
	return exitOK
}

// Others may need a moment after an apply: secondaries that copy a zone, servers that
// read their settings again.
const (
	settling      = 20 * time.Second
	betweenProofs = 2 * time.Second
)

// prove is verify after an apply. It looks again while something is not as it has to
// be yet.
func (a *app) prove(ctx context.Context, o *operation) int {
	var f verifyFlags
	opts, err := f.options(ctx, a, o)
	if err != nil {
		return a.failed(err)
	}
	rep := verify.Run(ctx, opts)
	for until := time.Now().Add(settling); rep.Failed() && ctx.Err() == nil && time.Now().Before(until); rep = verify.Run(ctx, opts) {
		a.sleep(ctx, betweenProofs)
	}
	fmt.Fprintln(a.stdout)
	if err := f.report(a, rep); err != nil {
		return a.fail(err)
	}
	if rep.Failed() {
		return a.fail(errors.New("the plan was applied, and what runs is not as the files say: see above what failed"))
	}
	return exitOK
}

// options are what the files and the flags come to. The error is errReported where
// the files have errors.
func (f *verifyFlags) options(ctx context.Context, a *app, op *operation) (verify.Options, error) {
	s, _, d, err := a.described(ctx, op, "verify")
	if err != nil {
		return verify.Options{}, err
	}
	if err := s.Close(); err != nil {
		return verify.Options{}, err
	}
	o := verify.Options{Resources: d.Resources, NameServers: nameServersOf(d.Config), Resolvers: f.resolvers, Propagation: len(f.resolvers) > 0,
		Blacklists: f.blacklists, Now: a.now, Timeout: f.timeout}
	for i, r := range o.Resolvers {
		o.Resolvers[i] = withPort(r)
	}
	if len(o.Resolvers) == 0 {
		if c, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
			for _, s := range c.Servers {
				o.Resolvers = append(o.Resolvers, net.JoinHostPort(s, c.Port))
			}
		}
	}
	for _, n := range f.nameServers {
		target, addr, ok := strings.Cut(n, "=")
		if !ok {
			return o, fmt.Errorf("-nameserver is PROVIDER=ADDRESS, as bind=192.0.2.53, and not %q", n)
		}
		o.NameServers[target] = append(o.NameServers[target], withPort(addr))
	}
	if f.source != "" {
		if o.Source = net.ParseIP(f.source); o.Source == nil {
			return o, fmt.Errorf("-source is an IP address, and not %q", f.source)
		}
	}
	if f.caFile != "" {
		pem, err := os.ReadFile(f.caFile)
		if err != nil {
			return o, fmt.Errorf("-ca-file: %w", err)
		}
		o.Roots = x509.NewCertPool()
		if !o.Roots.AppendCertsFromPEM(pem) {
			return o, fmt.Errorf("-ca-file: %s has no certificate in PEM", f.caFile)
		}
	}
	if f.probe == "" {
		return o, nil
	}
	password, err := f.password(a)
	if err != nil {
		return o, fmt.Errorf("-probe-password-file: %w", err)
	}
	o.Probe = &verify.Probe{Address: f.probe, Password: password, From: f.probeFrom, Wait: f.wait}
	return o, nil
}

// password is the first line of the file.
func (f *verifyFlags) password(a *app) (string, error) {
	in := a.stdin
	switch f.passwordFile {
	case "":
		return "", errors.New("-probe needs the user's password from a file: a command line is seen by all users of a machine")
	case "-":
	default:
		file, err := os.Open(f.passwordFile)
		if err != nil {
			return "", err
		}
		defer file.Close()
		in = file
	}
	line, err := passwordLine(in)
	for _, c := range line {
		if c < ' ' || c > '~' {
			return "", errors.New("the password has to be of printable ASCII characters, so that it can be said in every protocol")
		}
	}
	return string(line), err
}

// nameServersOf says where the zones of providers are asked for whose blocks name a
// server.
func nameServersOf(cfg *config.Config) verify.NameServers {
	ns := verify.NameServers{}
	for i := range cfg.Providers {
		p := &cfg.Providers[i]
		if p.Value == cty.NilVal || !p.Value.IsKnown() || p.Value.IsNull() || !p.Value.Type().IsObjectType() || !p.Value.Type().HasAttribute("server") {
			continue
		}
		v, _ := p.Value.GetAttr("server").Unmark()
		if v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
			ns[p.Target()] = []string{withPort(v.AsString())}
		}
	}
	return ns
}

// withPort is an address with that of the DNS where it has none.
func withPort(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(strings.Trim(addr, "[]"), "53")
}

func (f *verifyFlags) report(a *app, rep *verify.Report) error {
	if f.junit != "" {
		var out bytes.Buffer
		err := verify.JUnit(&out, rep)
		if err == nil {
			err = writeWhole(f.junit, out.Bytes(), 0o644)
		}
		if err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if f.json {
		return verify.JSON(a.stdout, rep)
	}
	p := a.style(a.stdout).Palette
	return verify.Text(a.stdout, rep, verify.Colours{Pass: p.Green, Warn: p.Yellow, Fail: p.Red, Skip: p.Cyan, Reset: p.Reset})
}
