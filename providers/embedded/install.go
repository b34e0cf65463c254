package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/mailform/mailform/providers/host"
)

// machines are the names by which uname knows the processors that a binary may
// be for.
var machines = map[elf.Machine][]string{
	elf.EM_X86_64:  {"x86_64"},
	elf.EM_AARCH64: {"aarch64"},
	elf.EM_386:     {"i386", "i486", "i586", "i686"},
	elf.EM_ARM:     {"armv6l", "armv7l", "armv8l"},
	elf.EM_RISCV:   {"riscv64"},
	elf.EM_PPC64:   {"ppc64le", "ppc64"},
	elf.EM_S390:    {"s390x"},
}

// install puts the binary where it has to be, unless it is there.
func (f *far) install(ctx context.Context) error {
	binary, err := os.ReadFile(f.binary)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(binary)
	// What is there is neither read nor sent.
	out, err := host.Must(ctx, f.host, host.Cmd("sh", "-c", `uname -s; uname -m; [ ! -f "$1" ] || sha256sum <"$1"`, "sh", f.program))
	if err != nil {
		return err
	}
	words := strings.Fields(string(out.Stdout))
	if len(words) < 2 {
		return fmt.Errorf("it does not say what machine it is: %q", out.Stdout)
	}
	if len(words) > 2 && words[2] == hex.EncodeToString(sum[:]) {
		return f.checkVersion(ctx, f.program)
	}
	if err := f.fits(binary, words[0], words[1]); err != nil {
		return err
	}
	if err := f.host.Mkdir(ctx, host.Dir{Path: path.Dir(f.program)}); err != nil {
		return err
	}
	// One that does not say that it is what it should be is never put in its place.
	trial := f.program + ".new"
	if err := f.host.Write(ctx, host.File{Path: trial, Content: binary, Mode: 0o755}); err != nil {
		return err
	}
	if err := f.checkVersion(ctx, trial); err != nil {
		_ = f.host.Remove(ctx, trial) // the error that counts is the other
		return err
	}
	_, err = host.Must(ctx, f.host, host.Cmd("mv", "-f", "--", trial, f.program))
	return err
}

// checkVersion refuses a binary there that is of another version than this one.
func (f *far) checkVersion(ctx context.Context, program string) error {
	out, err := host.Must(ctx, f.host, host.Cmd(program, "version"))
	if err != nil {
		return err
	}
	if line, _, _ := strings.Cut(string(out.Stdout), "\n"); line != "mailform v"+f.version {
		return fmt.Errorf("%s is %q, and this is mailform v%s. Give binary_file one of the same version", f.binary, line, f.version)
	}
	return nil
}

// fits refuses a binary for another machine.
func (f *far) fits(binary []byte, system, machine string) error {
	if system != "Linux" {
		return fmt.Errorf("it runs %s, and mailform's servers run on Linux alone", system)
	}
	e, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		return fmt.Errorf("%s is no program for Linux: %w", f.binary, err)
	}
	for _, name := range machines[e.Machine] {
		if name == machine {
			return nil
		}
	}
	return fmt.Errorf("its processor is %s, and %s is for %s. Give binary_file a mailform v%s for that machine", machine, f.binary, strings.TrimPrefix(e.Machine.String(), "EM_"), f.version)
}

// supervised reports whether systemd is in charge of the machine.
func (f *far) supervised(ctx context.Context) (bool, error) {
	out, err := f.host.Run(ctx, host.Cmd("test", "-d", "/run/systemd/system"))
	return out.Code == 0, err
}

// unitName is the unit of a data directory, named as systemd-escape would.
func unitName(dataDir string) string {
	var b strings.Builder
	b.WriteString("mailform-")
	for i, c := range []byte(strings.Trim(path.Clean(dataDir), "/")) {
		switch {
		case c == '/':
			b.WriteByte('-')
		case c == ':' || c == '_' || c == '.' && i > 0 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String() + ".service"
}

// unitFile is the unit by which systemd runs a daemon: it may write into its data
// directory and take ports below 1024, and little else.
const unitFile = `# Written by mailform, which writes it anew with each version.
[Unit]
Description=mailform, the mail and name server of %[1]s
Documentation=https://github.com/mailform/mailform
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=%[2]s serve -data %[3]s
Restart=on-failure
RestartSec=1
TimeoutStopSec=60
LimitNOFILE=65536

CapabilityBoundingSet=CAP_NET_BIND_SERVICE
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
ReadWritePaths=%[3]s
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy=multi-user.target
`

// unit is the text of the unit.
func (f *far) unit() string {
	return fmt.Sprintf(unitFile, strings.ReplaceAll(f.dataDir, "%", "%%"), unitWord(f.program), unitWord(f.dataDir))
}

// unitWord quotes a word of a unit file (systemd.syntax(7), systemd.service(5)).
func unitWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "\n", `\n`).Replace(s) + `"`
}

// startUnit writes the unit and starts it.
func (f *far) startUnit(ctx context.Context) error {
	if strings.ContainsAny(f.dataDir+f.program, "\n\x00") {
		return fmt.Errorf("a unit of systemd cannot hold the paths %q and %q", f.dataDir, f.program)
	}
	name := unitName(f.dataDir)
	file := "/etc/systemd/system/" + name
	have, err := f.host.Read(ctx, file)
	if err != nil {
		return err
	}
	if string(have[0].Content) != f.unit() {
		if err := f.host.Write(ctx, have[0].With([]byte(f.unit()))); err != nil {
			return err
		}
	}
	if err := f.host.Mkdir(ctx, host.Dir{Path: f.dataDir, Mode: 0o700}); err != nil {
		return err
	}
	for _, args := range [][]string{{"daemon-reload"}, {"enable", "--quiet", "--", name}, {"restart", "--", name}} {
		if _, err := host.Must(ctx, f.host, host.Cmd(append([]string{"systemctl"}, args...)...)); err != nil {
			return err
		}
	}
	return nil
}
