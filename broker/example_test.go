package broker_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/thalweg/thalweg/broker"
	"github.com/twmb/franz-go/pkg/kgo"
)

func ExampleStartEmbedded() {
	ctx := context.Background()
	cluster, err := broker.StartEmbedded(ctx, broker.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()

	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.ConsumeTopics("greetings"), kgo.AllowAutoTopicCreation())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "greetings", Value: []byte("hello")}).FirstErr(); err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range client.PollFetches(ctx).Records() {
		fmt.Println(r.Topic, r.Offset, string(r.Value))
	}
	// Output: greetings 0 hello
}
