package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/natstest"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

// follow gives an app's events to handle, one after the other and in their order, and each until handle has no error.
// It goes on where it was when it is called again.
func follow(ctx context.Context, js jetstream.JetStream, app string, handle func(client.Event) error) error {
	consumer, err := js.CreateOrUpdateConsumer(ctx, "tongbao", jetstream.ConsumerConfig{
		Durable:       app + "-orders",
		FilterSubject: "tongbao." + app + ".>",
		MaxAckPending: 1, // the next event comes when this one is done with, so that a repeated one keeps its place
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		var envelope struct{ Data client.Event }
		if err := json.Unmarshal(message.Data(), &envelope); err != nil {
			return err
		}
		if err := handle(envelope.Data); err != nil {
			if err := message.NakWithDelay(time.Second); err != nil { // it comes again
				return err
			}
			continue
		}
		if err := message.DoubleAck(ctx); err != nil {
			return err
		}
	}
}

func TestTheExampleHandlesEachEventInItsOrder(t *testing.T) {
	t.Parallel()
	s, n := newStore(t), natstest.Start(t)
	storetest.AddApp(t, s, "other")
	all := storetest.AddEvents(t, s, shop, 0, 6)
	r := newRelay(t, s, n)
	r.run()
	r.publishes(len(all))
	var handled []string
	var refusals int
	stopped, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	err := follow(stopped, n.JetStream(), shop, func(e client.Event) error {
		switch {
		case len(handled) < 2:
			handled = append(handled, e.ID)
			return nil
		case refusals > 0:
			stop()
		}
		refusals++
		return errors.New("not now")
	})
	if !errors.Is(err, context.Canceled) || refusals != 2 {
		t.Fatalf("%d refusals, %v", refusals, err)
	}
	again, enough := context.WithTimeout(t.Context(), patience)
	defer enough()
	if err := follow(again, n.JetStream(), shop, func(e client.Event) error {
		if handled = append(handled, e.ID); len(handled) == len(all) {
			enough()
		}
		return nil
	}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, handled); diff != "" {
		t.Error(diff)
	}
}
