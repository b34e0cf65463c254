package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes of reading and writing over UDP.
const (
	// udpBatch is how many packets are read, and written, by one call at most.
	udpBatch = 64
	// udpBuffer is how much may wait to be read, in bytes, where the system allows
	// it: as much as comes while the program is held up for some milliseconds.
	udpBuffer = 4 << 20
	// maxSockets is how many sockets share an address at most.
	maxSockets = 16
)

// UDP is the sockets of one address, one for two processors: the system distributes
// the packets among them by who sent them. The other half of the processors is busy
// with the packets in the kernel; a socket for each made batches smaller and
// answers dearer.
type UDP struct {
	address net.Addr
	conns   []*net.UDPConn
}

// ListenUDP opens the UDP sockets of an address. What listens by TCP on that
// address should be opened before: it is what keeps two servers apart.
func ListenUDP(ctx context.Context, address string) (*UDP, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		ctl := c.Control(func(fd uintptr) {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
		})
		return errors.Join(ctl, err)
	}}
	u := &UDP{}
	for range min(max(1, runtime.GOMAXPROCS(0)/2), maxSockets) {
		pc, err := lc.ListenPacket(ctx, "udp", address)
		if err != nil {
			return nil, errors.Join(err, u.Close())
		}
		c := pc.(*net.UDPConn)
		u.conns = append(u.conns, c)
		u.address = c.LocalAddr()
		address = u.address.String()   // port 0 is another one each time
		_ = c.SetReadBuffer(udpBuffer) // as much as the system gives
	}
	return u, nil
}

// GivenUDP is the UDP of a socket that somebody else has opened.
func GivenUDP(c *net.UDPConn) *UDP {
	_ = c.SetReadBuffer(udpBuffer) // as much as the system gives
	return &UDP{address: c.LocalAddr(), conns: []*net.UDPConn{c}}
}

// everywhere reports whether a socket is on all addresses, so that an answer has to
// be told from which one it goes.
func everywhere(address net.Addr) bool {
	a, ok := address.(*net.UDPAddr)
	return ok && a.IP.IsUnspecified()
}

// Close closes the sockets.
func (u *UDP) Close() error {
	var errs []error
	for _, c := range u.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// serve answers on all sockets until they are closed.
func (u *UDP) serve(s *Server, limiter *Limiter) error {
	var all sync.WaitGroup
	errs := make([]error, len(u.conns))
	for i, c := range u.conns {
		all.Go(func() {
			defer u.Close() // when one ends, the others have to
			errs[i] = u.answer(s, c, limiter)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// answer answers on one socket.
func (u *UDP) answer(s *Server, c *net.UDPConn, limiter *Limiter) error {
	b, err := newBatch(c)
	if err != nil {
		return err
	}
	r := s.newResponder()
	const firstPause, longestPause = time.Millisecond, 100 * time.Millisecond
	pause := firstPause
	for {
		n, err := b.read()
		switch {
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			s.log.Warn("dns: read", "address", u.address.String(), "error", err)
			time.Sleep(pause)
			pause = min(2*pause, longestPause)
			continue
		}
		pause = firstPause
		answers := 0
		r.now = uint32(time.Now().Unix())
		for i := range n {
			m := &b.in[i]
			if m.header.Flags&unix.MSG_TRUNC != 0 {
				continue // longer than any query
			}
			from := client{addr: addressOf(&b.addresses[i]), limiter: limiter}
			r.out = b.answers[answers][:0]
			if wire := s.respond(r, b.packets[i][:m.length], from); wire != nil {
				b.answer(answers, i, wire)
				answers++
			}
		}
		if err := b.write(answers); err != nil {
			s.log.Debug("dns: write", "address", u.address.String(), "error", err)
		}
	}
}

// A message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

// cacheLine is added to the room for a packet, so that the beginnings of all do
// not claim the same place in a processor's cache.
const cacheLine = 64

// controlSize is room for where a packet was sent to.
const controlSize = 64

// A batch is what is read and written by one call. Its parts point at each other:
// it is never copied.
type batch struct {
	raw syscall.RawConn
	// everywhere: the socket is on all addresses, so that an answer has to be told
	// from which one it goes.
	everywhere bool

	in, out   [udpBatch]message
	inVec     [udpBatch]unix.Iovec
	outVec    [udpBatch]unix.Iovec
	addresses [udpBatch]unix.RawSockaddrInet6 // the larger one of both kinds
	control   [udpBatch][controlSize]byte
	packets   [udpBatch][udpReadSize + cacheLine]byte
	answers   [udpBatch][maxUDPSize]byte

	// Arguments and results of the calls.
	count     int
	n         int
	errno     syscall.Errno
	recv, snd func(fd uintptr) bool
}

func newBatch(c *net.UDPConn) (*batch, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &batch{raw: raw}
	b.recv, b.snd = b.receive, b.send
	if everywhere(c.LocalAddr()) {
		b.everywhere = true
		ctl := raw.Control(func(fd uintptr) { err = askForDestination(int(fd)) })
		if err = errors.Join(ctl, err); err != nil {
			return nil, fmt.Errorf("ask for the destination of packets: %w", err)
		}
	}
	return b, nil
}

// askForDestination has packets come with the address that they were sent to.
func askForDestination(fd int) error {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	if family == unix.AF_INET6 {
		return unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_PKTINFO, 1)
}

// The calls below never wait, so that they need not tell the scheduler of Go: it
// would take the processor away meanwhile, start a thread to use it, and wake up
// every few microseconds to look. That costs more than the answers.

// read reads what packets there are, and waits where there is none.
func (b *batch) read() (int, error) {
	for i := range b.in {
		b.inVec[i].Base = &b.packets[i][0]
		b.inVec[i].SetLen(udpReadSize)
		h := &b.in[i].header
		*h = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&b.addresses[i])), Namelen: unix.SizeofSockaddrInet6, Iov: &b.inVec[i]}
		h.SetIovlen(1)
		if b.everywhere {
			h.Control = &b.control[i][0]
			h.SetControllen(controlSize)
		}
	}
	b.n, b.errno = 0, 0
	if err := b.raw.Read(b.recv); err != nil {
		return 0, err
	}
	if b.errno != 0 {
		return 0, os.NewSyscallError("recvmmsg", b.errno)
	}
	return b.n, nil
}

func (b *batch) receive(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.in[0])), udpBatch, unix.MSG_DONTWAIT, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		b.n, b.errno = int(n), errno
		return errno != syscall.EAGAIN
	}
}

// answer puts the answer to packet i in place k.
func (b *batch) answer(k, i int, wire []byte) {
	b.outVec[k].Base = &wire[0]
	b.outVec[k].SetLen(len(wire))
	in, out := &b.in[i].header, &b.out[k].header
	*out = unix.Msghdr{Name: in.Name, Namelen: in.Namelen, Iov: &b.outVec[k]}
	out.SetIovlen(1)
	if b.everywhere && int(in.Controllen) >= unix.CmsgLen(0) {
		anyInterface(&b.control[i])
		out.Control = in.Control
		out.SetControllen(int(in.Controllen))
	}
}

// anyInterface makes of where a packet was sent to where an answer comes from: the
// address, but not the interface, which is up to the routes.
func anyInterface(control *[controlSize]byte) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(control))
	switch data := control[unix.CmsgLen(0):]; {
	case h.Level == unix.SOL_IP && h.Type == unix.IP_PKTINFO:
		clear(data[:4])
	case h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_PKTINFO:
		clear(data[16:20])
	}
}

// write writes the first answers. One that cannot be sent is left out.
func (b *batch) write(answers int) error {
	var first error
	for sent := 0; sent < answers; {
		b.count, b.n, b.errno = sent, answers, 0
		if err := b.raw.Write(b.snd); err != nil {
			return err
		}
		if b.errno != 0 {
			if first == nil {
				first = os.NewSyscallError("sendmmsg", b.errno)
			}
			sent++
			continue
		}
		sent += b.n
	}
	return first
}

func (b *batch) send(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.out[b.count])), uintptr(b.n-b.count), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		}
		b.n, b.errno = int(n), errno
		return true
	}
}

// addressOf reads the address of a client.
func addressOf(sa *unix.RawSockaddrInet6) netip.Addr {
	if sa.Family == unix.AF_INET {
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr)
	}
	return netip.AddrFrom16(sa.Addr).Unmap()
}
