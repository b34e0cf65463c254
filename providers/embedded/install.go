package embedded

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/binary"
)

// install puts the binary where it has to be, unless it is there.
func (f *far) install(ctx context.Context) error {
	b := &binary.Binary{Host: f.host, Source: f.binary, Path: f.program, Version: f.version}
	return b.Install(ctx)
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
