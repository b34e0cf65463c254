package systemd

import (
	"fmt"
	"net"
	"path"
	"strings"
)

// UnitDir is where an administrator's units lie (systemd.unit(5)).
const UnitDir = "/etc/systemd/system"

// A Unit describes the units by which systemd runs the daemon of a data directory.
type Unit struct {
	DataDir string // absolute
	Program string // the path of mailform
	// Writable are further directories that it may write into. One with a "-" before
	// it need not be there.
	Writable []string
	// Sockets are those that systemd opens for it; none: it opens its own.
	Sockets []Socket
}

// A Socket is one that systemd opens.
type Socket struct {
	Address string // host:port
	Packets bool   // UDP as well as TCP
}

// Check says why there can be no such unit.
func (u Unit) Check() error {
	paths := []string{u.DataDir, u.Program}
	for _, p := range u.Writable {
		paths = append(paths, strings.TrimPrefix(p, "-"))
	}
	for _, p := range paths {
		if strings.ContainsAny(p, "\n\r\x00") || !path.IsAbs(p) {
			return fmt.Errorf("a unit of systemd cannot hold the path %q", p)
		}
	}
	for _, s := range u.Sockets {
		if host, _, err := net.SplitHostPort(s.Address); err != nil || host != "" && net.ParseIP(host) == nil {
			return fmt.Errorf("systemd cannot listen at %q: it wants an IP address and a port", s.Address)
		}
	}
	return nil
}

// Name is the unit's name without its ending, made of the data directory as
// systemd-escape would.
func (u Unit) Name() string {
	var b strings.Builder
	b.WriteString("mailform-")
	for i, c := range []byte(strings.Trim(path.Clean(u.DataDir), "/")) {
		switch {
		case c == '/':
			b.WriteByte('-')
		case c == ':' || c == '_' || c == '.' && i > 0 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

// ServiceName is the file name of the service.
func (u Unit) ServiceName() string { return u.Name() + ".service" }

// SocketName is the file name of the unit of its sockets.
func (u Unit) SocketName() string { return u.Name() + ".socket" }

// head is the begin of both files.
const head = `# Written by mailform, which writes it anew with each version.
[Unit]
Description=mailform, the mail and name server of %s
Documentation=https://github.com/mailform/mailform
`

// serviceText is the service: it may write into its directories and take ports below
// 1024, and little else. It is run by root, whom the directories belong to, without
// what makes root powerful.
const serviceText = `
[Service]
Type=notify
NotifyAccess=main
ExecStart=%[1]s serve -data %[2]s
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=1
TimeoutStartSec=120
TimeoutStopSec=60
WatchdogSec=120
LimitNOFILE=65536

CapabilityBoundingSet=CAP_NET_BIND_SERVICE
DevicePolicy=closed
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
ReadWritePaths=%[3]s
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy=multi-user.target
`

// Service is the text of the service.
func (u Unit) Service() string { return u.service(len(u.Sockets) > 0) }

func (u Unit) service(sockets bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, head, strings.ReplaceAll(u.DataDir, "%", "%%"))
	b.WriteString("After=network-online.target")
	if sockets {
		b.WriteString(" " + u.SocketName() + "\nRequires=" + u.SocketName())
	}
	b.WriteString("\nWants=network-online.target\n")
	writable := []string{word(u.DataDir)}
	for _, dir := range u.Writable {
		writable = append(writable, word(dir))
	}
	fmt.Fprintf(&b, serviceText, command(u.Program), command(u.DataDir), strings.Join(writable, " "))
	return b.String()
}

// Socket is the text of the unit of its sockets. They outlive the service, so that
// who connects while it is started anew waits a moment and is not refused.
func (u Unit) Socket() string {
	var b strings.Builder
	fmt.Fprintf(&b, head, strings.ReplaceAll(u.DataDir, "%", "%%"))
	b.WriteString("\n[Socket]\n")
	for _, s := range u.Sockets {
		host, port, _ := net.SplitHostPort(s.Address) // see Check
		at := net.JoinHostPort(host, port)
		if host == "" {
			at = port
		}
		fmt.Fprintf(&b, "ListenStream=%s\n", at)
		if s.Packets {
			fmt.Fprintf(&b, "ListenDatagram=%s\n", at)
		}
	}
	b.WriteString("ReceiveBuffer=4M\n\n[Install]\nWantedBy=sockets.target\n")
	return b.String()
}

// word quotes a word of a unit file (systemd.syntax(7)).
func word(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(s) + `"`
}

// command quotes a word of a command line, where variables are put in
// (systemd.service(5)).
func command(s string) string { return strings.ReplaceAll(word(s), "$", "$$") }
