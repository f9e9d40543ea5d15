package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/control"
	"github.com/tongbao-pay/tongbao/sandbox/fault"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
	"github.com/tongbao-pay/tongbao/sandbox/record"
)

// recordClock is the kind of the record that keeps the clock's offset.
const recordClock = "clock"

// controlHandler serves the control API: what belongs to the sandbox here, what belongs to a provider under its name.
func (s *Sandbox) controlHandler() http.Handler {
	mux := http.NewServeMux()
	routes := append(s.wechatpay.HandleControl(mux), "GET /clock", "POST /clock/advance", "GET /faults", "POST /faults",
		"DELETE /faults/{id}", "DELETE /faults", "GET /journal", "POST /notifications/{id}/resend", "POST /reset")
	mux.HandleFunc("GET /clock", s.getClock)
	mux.HandleFunc("POST /clock/advance", s.advanceClock)
	mux.HandleFunc("GET /faults", s.listFaults)
	mux.HandleFunc("POST /faults", s.addFault)
	mux.HandleFunc("DELETE /faults/{id}", s.deleteFault)
	mux.HandleFunc("DELETE /faults", s.clearFaults)
	mux.HandleFunc("GET /journal", s.getJournal)
	mux.HandleFunc("POST /notifications/{id}/resend", s.resend)
	mux.HandleFunc("POST /reset", s.reset)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		control.Refuse(w, http.StatusNotFound, control.Problem{Error: "there is no such control call", Allowed: routes})
	})
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		control.Refuse(w, http.StatusForbidden, control.Problem{Error: "the control API takes no requests from other sites' pages; call it from a program or a terminal"})
	}))
	return localOnly(sameOrigin.Handler(mux))
}

// localOnly refuses requests that name another host: a web page whose name was made to point here must not get through.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !loopback(strings.Trim(host, "[]")) {
			control.Refuse(w, http.StatusForbidden, control.Problem{Error: "the control API answers to 127.0.0.1 and localhost only"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

type clockState struct {
	Now    time.Time      `json:"now"`    // the sandbox's present
	Real   time.Time      `json:"real"`   // the machine's
	Offset clock.Duration `json:"offset"` // between them
}

func (s *Sandbox) clockState() clockState {
	return clockState{s.clock.Now(), s.clock.Real(), clock.Duration(s.clock.Offset())}
}

func (s *Sandbox) getClock(w http.ResponseWriter, _ *http.Request) {
	control.Write(w, http.StatusOK, s.clockState())
}

func (s *Sandbox) advanceClock(w http.ResponseWriter, r *http.Request) {
	var by struct {
		Duration clock.Duration `json:"duration"`
	}
	if !control.Read(w, r, &by) {
		return
	}
	err := s.clock.Advance(r.Context(), by.Duration.Std())
	s.keepClock()
	if err != nil {
		control.Refuse(w, http.StatusBadRequest, control.Problem{Error: err.Error() + `; write it as "15s" or "2h30m"`, Field: "duration"})
		return
	}
	control.Write(w, http.StatusOK, s.clockState())
}

func (s *Sandbox) keepClock() {
	if err := s.log.Put(recordClock, "", s.clock.Offset()); err != nil {
		s.config.Logger.Error("keep the clock", "error", err)
	}
}

func (s *Sandbox) restoreClock(records []record.Record) error {
	for _, r := range records {
		if r.Kind != recordClock {
			continue
		}
		var offset time.Duration
		if err := json.Unmarshal(r.Value, &offset); err != nil {
			return fmt.Errorf("read back the clock: %w", err)
		}
		s.clock.Restore(offset)
	}
	return nil
}

type faultList struct {
	Faults []fault.Rule `json:"faults"`
}

func (s *Sandbox) listFaults(w http.ResponseWriter, _ *http.Request) {
	control.Write(w, http.StatusOK, faultList{s.faults.List()})
}

func (s *Sandbox) addFault(w http.ResponseWriter, r *http.Request) {
	var rule fault.Rule
	if !control.Read(w, r, &rule) {
		return
	}
	added, err := s.faults.Add(rule)
	if wrong, ok := errors.AsType[*fault.Invalid](err); ok {
		control.Refuse(w, http.StatusBadRequest, control.Problem{Error: wrong.Reason, Field: wrong.Field, Allowed: wrong.Allowed})
		return
	}
	control.Write(w, http.StatusCreated, added)
}

func (s *Sandbox) deleteFault(w http.ResponseWriter, r *http.Request) {
	if !s.faults.Delete(r.PathValue("id")) {
		control.Refuse(w, http.StatusNotFound, control.Problem{Error: "there is no fault of this id; GET /faults lists them", Field: "id"})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sandbox) clearFaults(w http.ResponseWriter, _ *http.Request) {
	s.faults.Clear()
	w.WriteHeader(http.StatusNoContent)
}

type journalPage struct {
	Entries []journal.Entry `json:"entries"` // newest last
	Last    uint64          `json:"last"`    // give it as "after" to see only what comes later
}

func (s *Sandbox) getJournal(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	allowed := []string{"out_trade_no", "out_refund_no", "out_bill_no", "operation", "kind", "notification_id", "after", "limit"}
	for name := range query {
		if !slices.Contains(allowed, name) {
			control.Refuse(w, http.StatusBadRequest, control.Problem{Error: "the journal has no such filter", Field: name, Allowed: allowed})
			return
		}
	}
	filter := journal.Filter{
		OutTradeNo: query.Get("out_trade_no"), OutRefundNo: query.Get("out_refund_no"), OutBillNo: query.Get("out_bill_no"), Operation: query.Get("operation"),
		Kind: query.Get("kind"), NotificationID: query.Get("notification_id"),
	}
	for _, name := range []string{"after", "limit"} {
		if query.Get(name) == "" {
			continue
		}
		n, err := strconv.ParseUint(query.Get(name), 10, 32)
		if err != nil {
			control.Refuse(w, http.StatusBadRequest, control.Problem{Error: "give a whole number, 0 or more", Field: name})
			return
		}
		if name == "after" {
			filter.After = n
		} else {
			filter.Limit = int(n)
		}
	}
	entries, last := s.journal.List(filter)
	control.Write(w, http.StatusOK, journalPage{entries, last})
}

func (s *Sandbox) resend(w http.ResponseWriter, r *http.Request) {
	sent, ok := s.wechatpay.Resend(r.PathValue("id"))
	if !ok {
		control.Refuse(w, http.StatusNotFound, control.Problem{Error: "there is no notification of this id; the order lists its own, and so does the journal", Field: "id"})
		return
	}
	control.Write(w, http.StatusOK, sent)
}

// reset forgets everything but the identities; the clock shows real time again.
func (s *Sandbox) reset(w http.ResponseWriter, _ *http.Request) {
	if err := s.wechatpay.Reset(); err != nil {
		control.Refuse(w, http.StatusConflict, control.Problem{Error: err.Error()})
		return
	}
	s.clock.Reset()
	s.faults.Clear()
	s.journal.Clear()
	if err := s.log.Clear(); err != nil {
		control.Refuse(w, http.StatusInternalServerError, control.Problem{Error: err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
