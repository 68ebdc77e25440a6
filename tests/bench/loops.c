/* Six loops that compute, for the bench of the engines (tests/x86/src/bin/loops.rs): freestanding, no calls outside this
 * file, each ending in a checksum. `n` is how often the work is done. */

typedef unsigned char u8;
typedef unsigned int u32;

/* Primes below 64 Ki, by crossing out. */
static u8 crossed[65536];

u32 loop_sieve(u32 n)
{
    u32 count = 0;
    while (n--) {
        for (u32 i = 0; i < sizeof crossed; i++)
            crossed[i] = 0;
        for (u32 i = 2; i < sizeof crossed; i++) {
            if (crossed[i])
                continue;
            count++;
            for (u32 k = 2 * i; k < sizeof crossed; k += i)
                crossed[k] = 1;
        }
    }
    return count;
}

/* Bytes from here to there, one at a time. */
static u8 from[32768], to[32768];

u32 loop_copy(u32 n)
{
    u32 sum = 0;
    for (u32 i = 0; i < sizeof from; i++)
        from[i] = i * 7 + (i >> 8);
    while (n--) {
        volatile u8 *d = to;
        for (u32 i = 0; i < sizeof from; i++)
            d[i] = from[i];
        from[n % sizeof from] ^= n;
        sum = sum * 31 + to[(n * 977) % sizeof to];
    }
    return sum;
}

/* SHA-256 of a block, chained. The round constants are the fractional parts of cube roots, made here from primes by
 * integer arithmetic so that no table has to be right. */
static u32 constants[64];

static u32 cube_root_fraction(u32 prime)
{
    /* The largest x with x^3 <= prime * 2^96, in 40 bits kept as two halves: built bit by bit with 128-bit products in
     * 16-bit limbs. */
    u32 high = 0, low = 0; /* x = high.low, a fixed-point number with 32 bits of fraction */
    for (int bit = 34; bit >= 0; bit--) {
        u32 h = high, l = low;
        if (bit >= 32)
            h |= 1u << (bit - 32);
        else
            l |= 1u << bit;
        u32 x[3] = { l & 0xffff, l >> 16, h }, product[8] = { 0 }, square[6] = { 0 };
        for (int i = 0; i < 3; i++)
            for (int k = 0, carry = 0; k < 3 || carry; k++) {
                u32 v = square[i + k] + (k < 3 ? x[i] * x[k] : 0) + (u32)carry;
                square[i + k] = v & 0xffff;
                carry = v >> 16;
            }
        for (int i = 0; i < 3; i++)
            for (int k = 0, carry = 0; k < 5 || carry; k++) {
                u32 v = product[i + k] + (k < 5 ? x[i] * square[k] : 0) + (u32)carry;
                product[i + k] = v & 0xffff;
                carry = v >> 16;
            }
        if ((product[7] << 16 | product[6]) < prime) {
            high = h;
            low = l;
        }
    }
    return low;
}

static u32 rotate(u32 x, int n)
{
    return x >> n | x << (32 - n);
}

u32 loop_sha256(u32 n)
{
    u32 state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    u32 found = 0;
    for (u32 p = 2; found < 64; p++) {
        u32 prime = 1;
        for (u32 d = 2; d * d <= p; d++)
            prime &= p % d != 0;
        if (prime)
            constants[found++] = cube_root_fraction(p);
    }
    while (n--) {
        u32 w[64], v[8];
        for (int i = 0; i < 16; i++)
            w[i] = state[i & 7] + n * i;
        for (int i = 16; i < 64; i++) {
            u32 a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7]
                + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
        }
        for (int i = 0; i < 8; i++)
            v[i] = state[i];
        for (int i = 0; i < 64; i++) {
            u32 e = v[4], a = v[0];
            u32 one = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & v[5]) ^ (~e & v[6]))
                + constants[i] + w[i];
            u32 two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
            v[7] = v[6];
            v[6] = v[5];
            v[5] = e;
            v[4] = v[3] + one;
            v[3] = v[2];
            v[2] = v[1];
            v[1] = a;
            v[0] = one + two;
        }
        for (int i = 0; i < 8; i++)
            state[i] += v[i];
    }
    return state[0] ^ state[7];
}

/* What system programs do: records through pointers, strings compared and copied, small calls, switches. */
struct record {
    struct record *next;
    u32 kind, a, b;
    char name[32];
};
static struct record records[8];

static __attribute__((noinline)) void copy_name(char *d, const char *s)
{
    while ((*d++ = *s++))
        ;
}

static __attribute__((noinline)) int compare_names(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}

static __attribute__((noinline)) u32 step(struct record *r, u32 x)
{
    switch (r->kind) {
    case 0:
        return x + r->a;
    case 1:
        return x * 3 - r->b;
    case 2:
        return x ^ r->a << 3;
    case 3:
        return x / (r->b | 1);
    default:
        r->a++;
        return x - 1;
    }
}

u32 loop_records(u32 n)
{
    u32 x = 1, same = 0;
    for (int i = 0; i < 8; i++) {
        records[i].next = &records[(i + 3) & 7];
        records[i].kind = i % 5;
        records[i].a = i * 17;
        records[i].b = i * 5 + 1;
        copy_name(records[i].name, "a record's name, number 0");
        records[i].name[24] += i;
    }
    struct record *r = records;
    while (n--) {
        x = step(r, x);
        if (compare_names(r->name, r->next->name) == 0)
            same++;
        if ((n & 15) == 0)
            copy_name(r->name, r->next->name);
        r->b += x & 1;
        r = r->next;
    }
    return x + same * 65537;
}

/* Quicksort with an insertion sort at its leaves. */
static u32 numbers[16384];

static void sort(u32 *a, int low, int high)
{
    while (high - low > 12) {
        u32 pivot = a[low + (high - low) / 2];
        int i = low, k = high;
        while (i <= k) {
            while (a[i] < pivot)
                i++;
            while (a[k] > pivot)
                k--;
            if (i <= k) {
                u32 t = a[i];
                a[i++] = a[k];
                a[k--] = t;
            }
        }
        if (k - low < high - i) {
            sort(a, low, k);
            low = i;
        } else {
            sort(a, i, high);
            high = k;
        }
    }
    for (int i = low + 1; i <= high; i++) {
        u32 t = a[i];
        int k = i;
        for (; k > low && a[k - 1] > t; k--)
            a[k] = a[k - 1];
        a[k] = t;
    }
}

u32 loop_sort(u32 n)
{
    u32 seed = 1, sum = 0;
    const int count = sizeof numbers / sizeof *numbers;
    while (n--) {
        for (int i = 0; i < count; i++) {
            seed = seed * 1664525 + 1013904223;
            numbers[i] = seed;
        }
        sort(numbers, 0, count - 1);
        for (int i = 0; i < count; i += 97)
            sum = sum * 33 ^ numbers[i];
    }
    return sum;
}

/* CRC-32 by table. */
static u32 table[256];

u32 loop_crc(u32 n)
{
    for (u32 i = 0; i < 256; i++) {
        u32 c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
        table[i] = c;
    }
    u32 crc = ~0u;
    for (u32 i = 0; i < sizeof to; i++)
        to[i] = i ^ i >> 7;
    while (n--)
        for (u32 i = 0; i < sizeof to; i++)
            crc = crc >> 8 ^ table[(crc ^ to[i]) & 255];
    return ~crc;
}

void _start(void)
{
}
