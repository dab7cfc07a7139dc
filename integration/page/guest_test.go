package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/lvsd/lvsd/hack/lab"
)

// The addresses of both ends of the tap device, and the guest's ports: what the test
// asks it to do, and the pages of the two directors.
const (
	hostAddress  = "10.77.0.1/24"
	guestAddress = "10.77.0.2/24"
	guestHost    = "10.77.0.2"
	controlPort  = ":8000"
	lb1Port      = ":8001"
	lb2Port      = ":8002"
)

// strayFrames is how many frames for nobody the director gets.
const strayFrames = 20

// up gives a device an address.
func up(device, address string) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("find %s: %w", device, err)
	}
	a, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	return errors.Join(netlink.AddrAdd(link, a), netlink.LinkSetUp(link))
}

// site is the lab in the guest: a pair of directors with three services in front of
// two real servers.
type site struct {
	lab       *lab.Lab
	dir       string
	directors map[string]*lab.Cmd
	shop      *lab.Service // of rs2
}

// configuration is a director's.
func configuration(dir string, priority int) string {
	const check = `{ type = "http", interval = "500ms", fast_interval = "100ms", timeout = "3s", fall = 1, rise = 1 }`
	return fmt.Sprintf(`[director]
name = %[1]q
state_dir = %[2]q
data_dir = %[2]q
[http]
[guard]
interfaces = "eth0"
[vrrp.front]
interface = "eth0"
id = 51
priority = %[3]d
interval = "300ms"
vips = ["%[4]s/32"]
[sync]
interface = "eth0"
id = 51
[virtual.mail]
vip = "%[4]s:25"
real.rs1 = "10.0.1.101"
real.rs2 = "10.0.1.102"
[virtual.shop]
vip = "%[4]s:81"
check = %[5]s
real.rs1 = "10.0.1.101"
real.rs2 = "10.0.1.102"
[virtual.web]
vip = "%[4]s:80"
check = %[5]s
real.rs1 = "10.0.1.101"
real.rs2 = "10.0.1.102"
`, filepath.Base(dir), dir, priority, lab.VIP4, check)
}

// guest makes the lab and does what it is asked to until it is killed.
func guest() error {
	if err := up("vec0", guestAddress); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		return err
	}
	s := &site{dir: dir, directors: map[string]*lab.Cmd{}}
	if s.lab, err = lab.New(lab.Topology{Directors: 2}); err != nil {
		return err
	}
	defer s.lab.Close()
	for _, name := range []string{"rs1", "rs2"} {
		h := s.lab.Host(name)
		_, errWeb := h.Web(":80")
		shop, errShop := h.Web(":81")
		s.shop = shop
		if err := errors.Join(h.TakeVIP(lab.VIP4), errWeb, errShop); err != nil {
			return err
		}
	}
	for i, name := range []string{"lb1", "lb2"} {
		if err := s.start(name, 200-100*i); err != nil {
			return err
		}
		if err := forward([]string{lb1Port, lb2Port}[i], s.lab.Host(name)); err != nil {
			return err
		}
	}
	load := s.lab.Host("client").StartLoad(context.Background(), lab.LoadConfig{URL: fmt.Sprintf("http://%s/", lab.VIP4), Rate: 10})
	defer load.Stop()
	return http.ListenAndServe(controlPort, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.do(r.URL.Path); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name, "director.toml") }

func (s *site) write(name string, priority int) error {
	if err := os.MkdirAll(filepath.Join(s.dir, name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(s.file(name), []byte(configuration(filepath.Join(s.dir, name), priority)), 0o600)
}

func (s *site) command(name string, args ...string) *lab.Cmd {
	c := s.lab.Host(name).Command(context.Background(), os.Args[0], append(args, "-c", s.file(name))...)
	c.Env = append(os.Environ(), asCommand+"=1")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c
}

func (s *site) start(name string, priority int) error {
	if err := s.write(name, priority); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s.directors[name] = s.command(name, "director")
	return s.directors[name].StartReady(ctx)
}

// do does one of the things that the page must show.
func (s *site) do(what string) error {
	switch what {
	case "/ready":
		return nil
	case "/server-dies":
		return s.shop.Close()
	case "/server-comes-back":
		shop, err := s.lab.Host("rs2").Web(":81")
		s.shop = shop
		return err
	case "/server-drained":
		return s.command("lb1", "drain", "shop/rs2", "--reason", "a new disk").Run()
	case "/server-enabled":
		return s.command("lb1", "enable", "shop/rs2").Run()
	case "/strays":
		return s.strays()
	case "/failover":
		return s.command("lb1", "failover").Run()
	}
	return fmt.Errorf("nobody knows how to do %s", what)
}

// strays sends the active director SYNs to a port of the VIP that no service has.
func (s *site) strays() error {
	from, errFrom := s.lab.Host("rs1").MAC("eth0")
	to, errTo := s.lab.Host("lb1").MAC("eth0")
	if err := errors.Join(errFrom, errTo); err != nil {
		return err
	}
	return s.lab.Host("rs1").SendFrames("eth0", 1000, strayFrames, func(i int) []byte {
		return lab.Frame{
			From: from, To: to, Source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, 7}), uint16(1024+i)),
			Target: netip.AddrPortFrom(lab.VIP4, 9999), Flags: lab.SYN,
		}.Bytes()
	})
}

// forward makes a port of the guest lead to the page of a director.
func forward(port string, h *lab.Host) error {
	l, err := net.Listen("tcp", guestHost+port)
	if err != nil {
		return err
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := h.Dial(context.Background(), "tcp", "127.0.0.1:9280")
			if err != nil {
				near.Close()
				continue
			}
			pipe := func(to, from net.Conn) {
				_, _ = io.Copy(to, from) // ends with either side
				to.Close()
			}
			go pipe(near, far)
			go pipe(far, near)
		}
	}()
	return nil
}
