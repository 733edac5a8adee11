# Hashes, sorting, regular expressions, closures and string building; the argument scales the work.
use strict;
use warnings;

my $scale = shift // 1;
my $state = 12345;

sub next_number {
    $state = ($state * 1103515245 + 12345) % 2147483648;
    return $state >> 8;
}

my (%count, @lines);
for my $i (1 .. 40000 * $scale) {
    my $line = join ' ', map { 'w' . next_number() % 5000 } 1 .. 3 + next_number() % 12;
    push @lines, $line;
    $count{$_}++ for split / /, $line;
}
my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 9];
print "$_ $count{$_}\n" for @top;

my %by_length;
push @{ $by_length{length $_} }, $_ for @lines;
printf "%d lengths, the longest %s\n", scalar keys %by_length, (sort { $b <=> $a } keys %by_length)[0];

my $matches = 0;
for my $line (@lines) {
    $matches++ while $line =~ /w(\d)\d*\1\b/g;
    (my $changed = $line) =~ s/(w\d+) (w\d+)/$2-$1/g;
    $matches += length $changed;
}
print "matches $matches\n";

my @closures = map { my $n = $_; sub { return $n + $_[0] } } 1 .. 20000;
my $sum = 0;
$sum += $_->(1) for @closures;
print "sum $sum\n";

my $text = '';
$text .= "$_\n" for @lines;
my $reversed = reverse $text;
printf "%d bytes, checksum %d\n", length $text, unpack '%32C*', $reversed;
