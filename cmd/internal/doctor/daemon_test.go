package doctor

import (
	"net"
	"strconv"
	"sync"
	"testing"
)

// A daemon that begins while the doctor looks at its port finds it free.
func TestToLookAtAPortDoesNotTakeIt(t *testing.T) {
	address := quietAddress(t)
	looked := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		defer close(looked)
		for range 300 {
			_ = free(address)
		}
	})
	listen := func() bool {
		l, err := net.Listen("tcp", address)
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			t.Error(err)
		}
		return err == nil
	}
	for over := false; !over && listen(); {
		select {
		case <-looked:
			over = true
		default:
		}
	}
	looking.Wait()
}

func TestFree(t *testing.T) {
	address := quietAddress(t)
	if err := free(address); err != nil {
		t.Errorf("a free port: %v", err)
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		_, port, _ := net.SplitHostPort(address)
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Logf("no %s here: %v", host, err)
			continue
		}
		for _, asked := range []string{"127.0.0.1", "localhost", host} {
			if free(net.JoinHostPort(asked, port)) == nil {
				t.Errorf("%s is said to be free, and %s is not", asked, host)
			}
		}
		_ = l.Close()
	}
}

// quietAddress is a free address below the ports that the system gives to connections: none of the dials can get it as its own.
func quietAddress(t *testing.T) string {
	t.Helper()
	for port := 21000; port < 30000; port += 37 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Skip("no port is free")
	return ""
}
