#!/usr/bin/perl
# A small SMSC on Net::SMPP, an independent implementation. Arguments: port, control port, system id, password, sprintf
# format of ids in submit_sm_resp, the same in receipts, and "split" to reject bind_transceiver.
# Events go to standard output, one JSON object a line. A line on the control port offers a message:
#   MO <from> <to> <esm_class> <data_coding> <short_message in hexadecimal>
# which is delivered again and again until a receiver accepts it or rejects it for good.
# Recipients ending in 11 are rejected (ESME_RINVDSTADR), those ending in 88 are throttled once; receipts of those ending
# in 9 say UNDELIV.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Net::SMPP;

my ($port, $control_port, $system_id, $password, $submit_format, $receipt_format, $binds) = @ARGV;
$| = 1;
$SIG{PIPE} = 'IGNORE';

my %common = (
  smpp_version => 0x34, interface_version => 0x34, addr_ton => 0, addr_npi => 0, source_addr_ton => 1,
  source_addr_npi => 1, dest_addr_ton => 0, dest_addr_npi => 1, system_type => '', facilities_mask => 0,
);
my $listener = Net::SMPP->new_listen('127.0.0.1', port => $port, %common) or die "cannot listen: $!";
my $control = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $control_port, Listen => 5, ReuseAddr => 1)
  or die "cannot listen: $!";
my $select = IO::Select->new($listener, $control);
my (%role, %throttled, @offers, @receipts);
my ($last_id, $sequence) = (0x1a00, 1000);

sub say_event { print encode_json({@_}), "\n"; }

sub drop {
  my ($client) = @_;
  $select->remove($client);
  delete $role{$client};
  for my $offer (@offers) { delete $offer->{on} if $offer->{on} && $offer->{on} == $client; }
  close $client;
}

sub bind_client {
  my ($client, $pdu, $name) = @_;
  my $ok = $pdu->{system_id} eq $system_id && $pdu->{password} eq $password;
  my $status = !$ok ? 0x0E : $name eq 'transceiver' && ($binds // '') eq 'split' ? 0x0D : 0;
  my $answer = "bind_${name}_resp";
  $client->$answer(system_id => 'PERL', seq => $pdu->{seq}, status => $status);
  $role{$client} = $name unless $status;
  say_event(event => 'bind', role => $name, status => $status);
}

sub submit {
  my ($client, $pdu) = @_;
  my $to = $pdu->{destination_addr};
  my $status = $to =~ /11$/ ? 0x0B : $to =~ /88$/ && !$throttled{$to}++ ? 0x58 : 0;
  my $number = ++$last_id;
  $client->submit_sm_resp(message_id => sprintf($submit_format, $number), seq => $pdu->{seq}, status => $status);
  say_event(
    event => 'submit', status => $status, to => $to, from => $pdu->{source_addr}, esm_class => $pdu->{esm_class},
    data_coding => $pdu->{data_coding}, bytes => unpack('H*', $pdu->{short_message}), id => sprintf($submit_format, $number),
    source_ton => $pdu->{source_addr_ton}, dest_ton => $pdu->{dest_addr_ton},
  );
  push @receipts, { pdu => $pdu, number => $number, at => time } if !$status && $pdu->{registered_delivery} & 3;
}

sub receiver {
  my ($found) = grep { my $role = $role{$_} // ''; $role eq 'transceiver' || $role eq 'receiver' } $select->handles;
  return $found;
}

sub send_offers {
  my $client = receiver() or return;
  for my $offer (grep { !$_->{on} && !$_->{done} } @offers) {
    next if time() - ($offer->{tried} // 0) < 1;
    $offer->{on} = $client;
    $offer->{tried} = time;
    $offer->{seq} = $sequence++;
    $client->deliver_sm(%{$offer->{fields}}, seq => $offer->{seq}, async => 1);
  }
}

sub send_receipts {
  my $client = receiver() or return;
  while (my $receipt = shift @receipts) {
    my $pdu = $receipt->{pdu};
    my $id = sprintf($receipt_format, $receipt->{number});
    my ($word, $state) = $pdu->{destination_addr} =~ /9$/ ? ('UNDELIV', 5) : ('DELIVRD', 2);
    push @offers, { receipt => 1, fields => {
      source_addr => $pdu->{destination_addr}, destination_addr => $pdu->{source_addr}, esm_class => 4,
      short_message => "id:$id sub:001 dlvrd:001 submit date:2611221000 done date:2611221001 stat:$word err:000 text:",
      receipted_message_id => "$id\0", message_state => chr($state),
    } };
  }
}

sub answered {
  my ($pdu) = @_;
  my ($offer) = grep { ($_->{seq} // 0) == $pdu->{seq} } @offers;
  return unless $offer;
  delete $offer->{on};
  $offer->{done} = 1 if $pdu->{status} == 0 || $pdu->{status} == 0x66;
  say_event(event => $offer->{receipt} ? 'receipt answered' : 'answered', status => $pdu->{status});
}

sub handle {
  my ($client) = @_;
  my $pdu = $client->read_pdu() or return drop($client);
  my $command = $pdu->{cmd};
  if ($command == 0x1) { bind_client($client, $pdu, 'receiver') }
  elsif ($command == 0x2) { bind_client($client, $pdu, 'transmitter') }
  elsif ($command == 0x9) { bind_client($client, $pdu, 'transceiver') }
  elsif ($command == 0x4) { submit($client, $pdu) }
  elsif ($command == 0x3) {
    $client->query_sm_resp(message_id => $pdu->{message_id}, final_date => '', message_state => 2, error_code => 0, seq => $pdu->{seq});
  }
  elsif ($command == 0x15) { $client->enquire_link_resp(seq => $pdu->{seq}); say_event(event => 'enquire') }
  elsif ($command == 0x6) { $client->unbind_resp(seq => $pdu->{seq}); say_event(event => 'unbind'); drop($client) }
  elsif ($command == 0x80000005) { answered($pdu) }
}

sub offer_line {
  my ($line) = @_;
  my ($word, $from, $to, $esm_class, $data_coding, $hex) = split ' ', $line;
  return unless ($word // '') eq 'MO';
  push @offers, { fields => {
    source_addr => $from, destination_addr => $to, esm_class => $esm_class, data_coding => $data_coding,
    short_message => pack('H*', $hex // ''),
  } };
}

say_event(event => 'listening');
while (1) {
  for my $ready ($select->can_read(0.05)) {
    if ($ready == $listener) { my $client = $listener->accept; $select->add($client) if $client }
    elsif ($ready == $control) {
      my $client = $control->accept or next;
      while (my $line = <$client>) { offer_line($line) }
      close $client;
    }
    else { handle($ready) }
  }
  send_receipts();
  send_offers();
}
