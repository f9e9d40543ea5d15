//go:build unix

package journeys_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/store"
)

// process is a gateway as operators run it: 'tongbao serve', in a process group of its own.
type process struct {
	t       *testing.T
	program string
	config  string // file
	address string // stays the same over restarts, as orders at the provider name it
	log     *lines
	// environment is on top of this process's own, at every start.
	environment []string

	command *exec.Cmd
	gone    chan struct{} // closed when the process has left
}

// openProcess makes a world whose gateway is a process.
func openProcess(t *testing.T, e engine) (*world, *process) {
	t.Helper()
	w := openProvider(t, e)
	dsn := e.database(t)
	p := &process{t: t, program: prepared.program(t), address: freeAddress(t), log: &lines{}}
	p.config = w.configurationFile(dsn, p.address)
	_, secret := p.createKey(shopApp)
	p.start()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the gateway's log ends with:\n%s", p.log.tail(40))
		}
	})
	var err error
	if w.store, err = store.Open(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.client = w.newClient(client.Config{BaseURL: "http://" + p.address, APIKey: secret})
	w.once = w.newClient(client.Config{BaseURL: "http://" + p.address, APIKey: secret, Tries: 1})
	w.inbox = openInbox(t, w.client)
	return w, p
}

// tail are the last n lines.
func (l *lines) tail(n int) string {
	all := strings.SplitAfter(strings.TrimSpace(l.String()), "\n")
	return strings.Join(all[max(len(all)-n, 0):], "")
}

// freeAddress is on loopback, below the ports that systems give to outgoing connections: who stops finds it free again.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 20 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.N(10_000)))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no free port on loopback")
	return ""
}

// createKey makes a key on the command line.
func (p *process) createKey(app string) (id string, secret client.Secret) {
	p.t.Helper()
	command := exec.CommandContext(p.t.Context(), p.program, "key", "create", app, "--config", p.config)
	output, err := command.Output()
	if err != nil {
		p.t.Fatalf("tongbao key create: %v", err)
	}
	shown := func(name string) string {
		_, rest, ok := strings.Cut(string(output), name+"  ")
		value, _, _ := strings.Cut(rest, "\n")
		if !ok {
			p.t.Fatalf("tongbao key create shows no %s", name)
		}
		return value
	}
	return shown("key id"), client.Secret(shown("secret"))
}

// start starts the process and returns when it is ready.
func (p *process) start(environment ...string) {
	p.t.Helper()
	p.command = exec.Command(p.program, "serve", "--config", p.config)
	p.command.Env = slices.Concat(os.Environ(), p.environment, environment)
	p.command.Stderr = p.log
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	gone := make(chan struct{})
	p.gone = gone
	command := p.command
	go func() {
		defer close(gone)
		_ = command.Wait() // what it came to is in its state
	}()
	eventually(p.t, func() error {
		select {
		case <-gone:
			p.t.Fatalf("the gateway left: %v\n%s", command.ProcessState, p.log.tail(20))
		default:
		}
		return p.ready()
	})
}

// ready is nil while the process says that it is.
func (p *process) ready() error {
	_, err := p.readiness()
	return err
}

// readiness is what the process says of itself while it is ready.
func (p *process) readiness() (said string, err error) {
	answer, err := http.Get("http://" + p.address + "/readyz")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", unready(answer.StatusCode)
	}
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

type unready int

func (u unready) Error() string { return fmt.Sprintf("/readyz answers %d", int(u)) }

// kill ends the process as a power cut would.
func (p *process) kill() {
	p.t.Helper()
	select {
	case <-p.gone:
		return
	default:
	}
	if err := syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Errorf("kill: %v", err)
	}
	<-p.gone
}

// twoMinutesPass lets that time go by for what a killed process was doing and leading: others may take it over.
func (w *world) twoMinutesPass() {
	w.t.Helper()
	w.exec(`UPDATE river_job SET attempted_at = attempted_at - interval '2 minutes' WHERE state = 'running'`,
		`UPDATE river_job SET attempted_at = datetime(attempted_at, '-2 minutes') WHERE state = 'running'`)
	w.exec(`DELETE FROM river_leader`, `DELETE FROM river_leader`)
}

func TestAProcessKilledAfterAnUnknownOutcomeFindsItsOrderAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w, p := openProcess(t, e)
		w.provider.fault(object{"operation": "prepay", "effect": "lose_answer", "times": lost})
		request := order(1000)
		unknown, err := w.once.CreatePayment(t.Context(), request)
		if err != nil || unknown.Status != client.PaymentProcessing {
			t.Fatalf("created: %v, %v", unknown, err)
		}
		p.kill()
		w.twoMinutesPass()
		p.start()
		known, err := w.client.CreatePayment(t.Context(), request)
		if err != nil || known.Status != client.PaymentPending || known.ID != unknown.ID || known.TradeNo != unknown.TradeNo {
			t.Fatalf("after the restart %s (%s) is %+v, %v", unknown.ID, unknown.TradeNo, known, err)
		}
		if books := w.provider.books(); books.Orders != 1 {
			t.Errorf("the provider has %d orders", books.Orders)
		}
		w.provider.pays(known.TradeNo)
		w.inbox.wait(client.EventPaymentSucceeded, known.ID)

		w.provider.fault(object{"operation": "refund", "effect": "lose_answer", "times": lost})
		r, err := w.once.CreateRefund(t.Context(), client.CreateRefund{PaymentID: known.ID, OutRefundNo: number("refund"), Amount: 1000})
		if err != nil || r.Status != client.RefundPending {
			t.Fatalf("refund: %v, %v", r, err)
		}
		p.kill()
		w.twoMinutesPass()
		p.start()
		w.provider.advance(refundSettles)
		w.inbox.wait(client.EventPaymentRefunded, known.ID)
		if books := w.provider.books(); books.Refunds != 1 || books.Refunded != 1000 {
			t.Errorf("the provider has %d refunds of %d fen together", books.Refunds, books.Refunded)
		}
		w.reconcile()
	})
}

func TestAProcessKilledInAStormLosesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w, p := openProcess(t, e)
		s := w.storm(50)
		s.reaches(15)
		p.kill()
		w.twoMinutesPass()
		p.start()
		s.ends()
		w.reconcile()
	})
}

func TestAProcessThatIsToldToStopFinishesWhatItBegan(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w, p := openProcess(t, e)
		p.kill()
		p.start("TONGBAO_SHUTDOWN_DELAY=2s")
		before := w.paid(100)
		w.provider.fault(object{"operation": "prepay", "effect": "delay", "delay": "3s", "times": 1})
		request := order(200)
		finished := make(chan error, 1)
		go func() {
			p, err := w.once.CreatePayment(t.Context(), request)
			if err == nil && p.Status != client.PaymentPending {
				err = fmt.Errorf("the payment is %s", p.Status)
			}
			finished <- err
		}()
		eventually(t, func() error { // the request is in the middle of its work
			page, err := w.once.ListPayments(t.Context(), client.PaymentQuery{OutTradeNo: request.OutTradeNo})
			if err == nil && len(page.Data) == 0 {
				err = errors.New("the intent is not committed yet")
			}
			return err
		})
		if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			err := p.ready()
			if code, ok := errors.AsType[unready](err); ok && code == http.StatusServiceUnavailable {
				return nil
			}
			return fmt.Errorf("/readyz does not say that it stops: %v", err)
		})
		if _, err := w.once.Payment(t.Context(), before.ID); err != nil {
			t.Errorf("not ready any more, but not yet stopped: %v", err)
		}
		if err := <-finished; err != nil {
			t.Errorf("the request in flight: %v", err)
		}
		select {
		case <-p.gone:
		case <-time.After(patience):
			t.Fatal("it does not stop")
		}
		if code := p.command.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d\n%s", code, p.log.tail(20))
		}
		p.start()
		w.paid(300)
		w.reconcile()
	})
}
