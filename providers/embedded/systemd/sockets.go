package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// firstFD is the descriptor of the first socket that is handed over
// (SD_LISTEN_FDS_START).
const firstFD = 3

// mostFDs bounds what LISTEN_FDS may ask for.
const mostFDs = 4096

// A Given is a socket that the service manager has opened and handed over.
type Given struct {
	// Name is the socket's name: FileDescriptorName= of the socket unit, or the
	// unit's own name; "unknown" where there is none.
	Name string
	// Addr is where it listens: a *net.TCPAddr or a *net.UDPAddr.
	Addr net.Addr

	file *os.File
}

// Listen is a listener on the socket. Closing it leaves the socket open, so that it
// can be listened on again: the service manager does not open it for us anew.
func (g *Given) Listen() (net.Listener, error) { return net.FileListener(g.file) }

// Packet is a connection for the packets that come to the socket. Closing it leaves
// the socket open.
func (g *Given) Packet() (*net.UDPConn, error) {
	c, err := net.FilePacketConn(g.file)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// Sockets takes over what LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES speak of. What
// is no TCP or UDP socket that listens is an error, which names it; the others are
// returned nevertheless. It can be called once in a process: the descriptors are
// ours from then on.
func Sockets(env Environ) ([]*Given, error) {
	pid, _ := env.take("LISTEN_PID")
	fds, _ := env.take("LISTEN_FDS")
	names, named := env.take("LISTEN_FDNAMES")
	if fds == "" || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil // nothing, or for another process
	}
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 || n > mostFDs {
		return nil, fmt.Errorf("LISTEN_FDS is %q, and no number of sockets", fds)
	}
	list, err := fdNames(names, named, n)
	if err != nil {
		return nil, err
	}
	var out []*Given
	var errs []error
	for i := range n {
		g, err := take(firstFD+i, list[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, g)
	}
	return out, errors.Join(errs...)
}

// fdNames are the names of n sockets (sd_listen_fds_with_names(3)).
func fdNames(names string, named bool, n int) ([]string, error) {
	list := make([]string, n)
	if !named {
		for i := range list {
			list[i] = "unknown"
		}
		return list, nil
	}
	if n == 0 && names == "" {
		return nil, nil
	}
	if got := strings.Split(names, ":"); len(got) == n {
		return got, nil
	}
	return nil, fmt.Errorf("LISTEN_FDNAMES is %q, and LISTEN_FDS %d: they do not fit", names, n)
}

// take takes over a descriptor.
func take(fd int, name string) (*Given, error) {
	syscall.CloseOnExec(fd) // no program that is started gets it
	f := os.NewFile(uintptr(fd), name)
	if f == nil {
		return nil, fmt.Errorf("descriptor %d (%s) is none", fd, name)
	}
	g := &Given{Name: name, file: f}
	if l, err := net.FileListener(f); err == nil {
		g.Addr = l.Addr()
		_ = l.Close() // a copy
		if _, ok := g.Addr.(*net.TCPAddr); ok {
			return g, nil
		}
		_ = f.Close() // of no use
		return nil, fmt.Errorf("the socket %d (%s) is at %s, which is no TCP address", fd, name, g.Addr)
	}
	if c, err := net.FilePacketConn(f); err == nil {
		g.Addr = c.LocalAddr()
		_ = c.Close() // a copy
		if _, ok := g.Addr.(*net.UDPAddr); ok {
			return g, nil
		}
		_ = f.Close() // of no use
		return nil, fmt.Errorf("the socket %d (%s) is at %s, which is no UDP address", fd, name, g.Addr)
	}
	_ = f.Close() // of no use
	return nil, fmt.Errorf("descriptor %d (%s) is no socket that listens", fd, name)
}

// A Pool is the sockets that were handed over and who has them. The zero value and
// nil have none. It is safe for concurrent use.
type Pool struct {
	mu    sync.Mutex
	given []*Given
	taken map[*Given]bool
}

// NewPool is a pool of sockets, none of them taken.
func NewPool(given []*Given) *Pool { return &Pool{given: given, taken: map[*Given]bool{}} }

// Take finds a socket that nobody has for a declared address: the one that listens
// there, or else one of the names; network is "tcp" or "udp". nil: there is none.
// It has to be given back.
func (p *Pool) Take(network, address string, names ...string) *Given {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fits := []func(*Given) bool{
		func(g *Given) bool { return listensAt(g.Addr, address) },
		func(g *Given) bool { return listensEverywhere(g.Addr, address) },
	}
	for _, name := range names {
		fits = append(fits, func(g *Given) bool { return g.Name == name })
	}
	for _, fit := range fits {
		for _, g := range p.given {
			if !p.taken[g] && g.Addr.Network() == network && fit(g) {
				p.taken[g] = true
				return g
			}
		}
	}
	return nil
}

// Give gives a socket back.
func (p *Pool) Give(g *Given) {
	if p == nil || g == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, g)
}

// Idle are the sockets that nobody has: who connects there is not answered.
func (p *Pool) Idle() []*Given {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*Given
	for _, g := range p.given {
		if !p.taken[g] {
			out = append(out, g)
		}
	}
	return out
}

// listensAt reports whether a socket is at the very address.
func listensAt(have net.Addr, address string) bool {
	ip, port := parts(have)
	host, p, err := net.SplitHostPort(address)
	if err != nil || p != port {
		return false
	}
	want := net.ParseIP(host)
	return want != nil && want.Equal(ip) && (want.To4() == nil) == (ip.To4() == nil)
}

// listensEverywhere reports whether a socket takes what comes to all addresses, where
// the declared address means all as well: [::] has both families, 0.0.0.0 the half.
func listensEverywhere(have net.Addr, address string) bool {
	ip, port := parts(have)
	host, p, err := net.SplitHostPort(address)
	if err != nil || p != port || !ip.IsUnspecified() {
		return false
	}
	want := net.ParseIP(host)
	return host == "" || want != nil && want.IsUnspecified() && (want.To4() != nil || ip.To4() == nil)
}

func parts(a net.Addr) (ip net.IP, port string) {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP, strconv.Itoa(a.Port)
	case *net.UDPAddr:
		return a.IP, strconv.Itoa(a.Port)
	}
	return nil, ""
}
