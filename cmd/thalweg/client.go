package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// dial connects and makes sure that a broker answers, so that the commands' own errors speak of something else.
func (e *env) dial(opts ...kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(e.cli.Brokers...),
		kgo.ClientID("thalweg"),
		kgo.DialTimeout(e.cli.Timeout),
		kgo.RetryTimeout(e.cli.Timeout),
	}, opts...)...)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	ctx, cancel := context.WithTimeout(e, e.cli.Timeout)
	defer cancel()
	if err := cl.Ping(ctx); err != nil {
		cl.Close()
		if e.Err() != nil {
			return nil, e.Err()
		}
		return nil, &exitError{exitUnreachable, fmt.Errorf(
			"no broker answers at %s: %w\nStart one with: thalweg broker", strings.Join(e.cli.Brokers, ", "), err)}
	}
	return cl, nil
}

// admin runs f with an administration client under the timeout.
func (e *env) admin(f func(ctx context.Context, adm *kadm.Client) error) error {
	cl, err := e.dial()
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(e, e.cli.Timeout)
	defer cancel()
	return f(ctx, kadm.NewClient(cl))
}

// explain turns a broker's error about a topic or group into one that names it and has the right exit code.
func explain(kind, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.GroupIDNotFound):
		return &exitError{exitUnknown, fmt.Errorf("there is no %s %q", kind, name)}
	case errors.Is(err, kerr.TopicAlreadyExists):
		return fmt.Errorf("%s %q exists already", kind, name)
	case errors.Is(err, kerr.NonEmptyGroup):
		return fmt.Errorf("%s %q still has members: stop them first", kind, name)
	case errors.Is(err, kerr.KafkaStorageError):
		return fmt.Errorf("%s %q: the broker cannot read or write its log, as with a full disk or a damaged file; its own log says more: %w", kind, name, err)
	}
	return fmt.Errorf("%s %q: %w", kind, name, err)
}

// topicOf finds one topic, with its partitions.
func topicOf(ctx context.Context, adm *kadm.Client, name string) (kadm.TopicDetail, error) {
	topics, err := adm.ListTopicsWithInternal(ctx, name)
	if err != nil {
		return kadm.TopicDetail{}, err
	}
	t, ok := topics[name]
	if !ok {
		return t, explain("topic", name, kerr.UnknownTopicOrPartition)
	}
	return t, explain("topic", name, t.Err)
}
