"""Words of financial English by the part that they play in a statement. The lists are our own.

Phrases are separated by semicolons and go before the words in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class Part(Enum):
    """Part that a word plays in a statement."""

    THING = "thing"
    MOVEMENT = "movement"
    EVENT = "event"
    STATE = "state"
    VOID = "void"
    NEGATION = "negation"
    INTENTION = "intention"
    COMPARISON = "comparison"
    BREAK = "break"
    STOP = "stop"
    NUMBER = "number"
    COMMA = "comma"
    BRACKET = "bracket"


# What is measured: more of it is good.
GOOD_THINGS = """
assets awareness backlog bid bookings budget capacity cashflow competitiveness confidence customers dax deliveries
demand dividend dividends earnings ebit ebita ebitda economy efficiency employees employment eps equities estimates
exports exposure footsie forecast forecasts ftse gdp guidance headcount income index intake interest investment
investments job jobs liquidity margin margins market markets members nasdaq occupancy orders outlook output
passenger passengers payout pbt performance personnel presence price prices production productivity profit
profitability profits quality rating ratings receipts result results returns revenue revenues roce roe roi sales
satisfaction sensex sentiment share shares shipments solvency spending staff stock stocks stoxx subscribers takings
target traffic turnover users utilisation utilization value visibility visitors volume volumes workforce yield
"""
GOOD_THINGS_PHRASES = """
assets under management; bottom line; capital ratio; cash flow; cash flows; comparable sales; cost competitiveness;
cost efficiency; cost savings; credit rating; customer satisfaction; earnings before interest; earnings before tax;
earnings per share; energy efficiency; equity ratio; gross margin; interest income; like-for-like sales; loan
portfolio; market share; market shares; net asset value; net income; net interest income; net profit; net sales;
operating income; operating margin; operating profit; operating result; operational efficiency; order backlog; order
book; order books; order intake; pre-tax profit; pretax profit; price target; profit after tax; profit after taxes;
profit before tax; profit before taxes; profit per share; retail sales; return on capital; return on equity; return
on investment; same-store sales; share price; stock price; target price; top line; unit sales
"""
# Good by being there at all.
GOOD_IN_THEMSELVES = "growth momentum recovery savings synergies turnaround upside"
# More of it is bad.
BAD_THINGS = """
arrears attrition burden charge charges churn claims competition consumption cost costs debt debts downside duties
emissions errors expenditure expense expenses fee fees gearing inflation leverage liabilities overheads pressure
pressures provisions risk risks tariffs tax taxes uncertainty unemployment vix volatility waste
"""
BAD_THINGS_PHRASES = """
bond yields; carbon dioxide; co2 emissions; cost of sales; costs of sales; customer churn; debt level; energy
consumption; fixed costs; fuel consumption; fuel costs; fuel prices; input costs; input prices; interest expenses;
interest rates; lead time; lead times; material costs; net debt; non-performing loans; operating costs; operating
expenses; price pressure; raw material costs; raw material prices; short interest; short interest ratio
"""
# Bad by being there at all.
BAD_IN_THEMSELVES = """
accidents bankruptcies complaints concerns default defaulted defaults defects deficit deficits delay delays
delinquencies fears fine fines impairment impairments insolvencies layoffs loss losses overcapacity penalties
redundancies shortage shortages shortfall write-down write-downs write-off write-offs writedown writedowns
"""
BAD_IN_THEMSELVES_PHRASES = """
bad debt; bad debts; bad loans; credit losses; loan losses; loss before tax; loss before taxes; loss per share; net
loss; net losses; operating loss; operating losses; pre-tax loss; pretax loss
"""
# Measured without being good or bad for the company: holdings, capital, counts of shares.
NEUTRAL_THINGS = """
age capital holding holdings maturity minutes ownership pages shareholding shareholdings stake stakes temperature
votes voting
"""
NEUTRAL_THINGS_PHRASES = """
aggregate holding; capital increase; exercise price; maximum price; minimum price; moving average; nominal value;
number of shares; number of votes; par value; registered capital; share capital; share of the; share of votes; share
subscription; shares outstanding; strike price; subscription price; total number; trading volume; voting rights
"""
# Movements, by their weight when nothing is said of what moved.
UP = """
above accelerate accelerated accelerates accelerating added adds ahead bigger broaden broadened double doubled
doubles doubling expand expanded expanding expands expansion extend extends gain gained grew grow growing grown
grows higher highest hike hiked hikes increase increased increases increasing increasingly larger lift lifted
lifting lifts multiplied multiply peak peaked pop pops quadrupled raise raised raises raising ramp rise swell
swelled swells topped tops triple tripled triples up upped ups upward upwards widen widened widening widens
"""
STRONG_UP = """
advanced advances bounce bounced bounces bouncing breakout breakouts climb climbed climbing climbs gainers gains
gapping jump jumped jumping jumps leap leaps leapt outpaced popping rallied rallies rally rallying ramping rebound
rebounded rebounding rebounds ripping risen rises rising rocket rocketed rockets rose skyrocket skyrocketed soar
soared soaring soars spike spiked spikes surge surged surges uptick uptrend
"""
DOWN = """
axe axed axes behind below contracted contraction curb curbed curbs cut cutback cutbacks cuts cutting decline
declined declines declining decrease decreased decreases decreasing down downward downwards ease eased eases easing
fade faded fades fading fall fewer halve halved halves lag lagged lagging lags less lower lowered lowering lowers
lowest minimise minimised minimize minimized narrow narrowed narrowing narrows pullback reduce reduced reduces
reducing reduction reductions scrap scrapped scraps shed shedding sheds shrank shrink shrinking shrinks shrunk slash
slashed slashes slashing slow slowdown slowed slowing slows smaller suspend suspended suspends trim trimmed trimming
trims
"""
STRONG_DOWN = """
breakdown collapse collapsed collapses crash crashed crashes crashing cratered dip dipped dipping dips dive dived
dives downtrend drop dropped dropping drops dumped dumping fallen falling falls fell losers nosedive plummet
plummeted plummeting plummets plunge plunged plunges plunging retreat retreated retreats sank sell-off selloff sink
sinking sinks slid slide slides sliding slip slipped slipping slips slump slumped slumping slumps sunk tank tanked
tanking tanks tumble tumbled tumbles tumbling
"""
# Good or bad whatever it is about.
GOOD_EVENTS = """
achieve achieved achieves approval approvals approve approved approves attractive award-winning awesome backed backs
benefit benefited benefiting benefits buy buyback buybacks buys call calls cheap cheer cleared confident congrats
cost-effective easier efficient escape escapes faster favorable favorably favourable favourably favoured gaining
happy hod innovative landmark long love modernise modernize nice opportunities opportunity optimism perfect pleased
popular positive positively prestigious profitably progress promising reaffirmed reaffirms reinstate repurchase
resume resumes reward rewarding safer satisfied stabilise stabilize stable successes support supports sweet uptrends
well
"""
GOOD_EVENTS_STRONG = """
accretive accumulate accumulated accumulating award awarded beat beating beats better-than-expected boom booming
boost boosted boosting boosts bot bought breakthrough bull bullish bulls buying enhance enhanced enhances enhancing
exceed exceeded exceeding exceeds green improve improved improvement improvements improves improving liking longed
longs loving moon optimistic outperform outperformance outperformed outperforming outperforms overweight pick-up
profitable recover recovered recovering recovers rewards runner secured secures strengthen strengthened
strengthening strengthens success successful successfully surpass surpassed surpasses thrive thriving undervaluation
undervalued unleashed upbeat upgrade upgraded upgrades well-positioned win windfall winner winning wins won
"""
GOOD_EVENTS_STRONG_PHRASES = """
above expectations; above resistance; added more; adding more; adding to my position; adding to position; ahead of
expectations; ahead of schedule; all time high; all time highs; all-time high; all-time highs; back in the black;
back to profit; beat expectations; beats expectations; been chosen; been selected; better than expected; bounce off;
break above; break out; breaking out; breaks above; broke out; broke resistance; broken out; buy point; buy rating;
buy signal; contract win; contract wins; create jobs; creates jobs; cup and handle; double bottom; fight back; first
place; go long; going long; golden cross; golden opportunity; good position; has been awarded; head start; held
support; higher high; higher highs; higher low; higher lows; hire new; historical highs; hits back; hits record;
holding support; improved by; in the black; into the black; large order; long position; long setup; look good;
looking good; looks good; major order; market leader; new high; new highs; new jobs; new order; new orders; no
resistance; off the charts; on track; over resistance; oversold bounce; paid off; pays off; pick up; positive
effect; positive impact; preferred supplier; price target raised; received an order; received orders; receives an
order; receives order; recruit new; repeat order; return to profit; returned to profit; returns to profit; secured a
contract; secured an order; selected as; short squeeze; strategic partnership; strong buy; swings to a profit;
swings to profit; swung to a profit; swung to profit; tax relief; turned a profit; turned to a profit; turned to
profit; was chosen; was selected; well positioned; went long; wins contract; wins order; won a contract; won an
order; won the contract
"""
BAD_EVENTS = """
abandon abandoned abandons attack attacked avoid bagholder ban banned bans blaze bleak blow bubble cancel canceled
cancelled cancels careful caution cautious challenging concern criticised criticized cyber cyberattack damage
damaged damages delayed difficult difficulties dispute disputes doubt doubtful doubts dull evicted exit expensive
explosion exposed fail failed failing fails failure fear fire gloom gloomy grim hack hacked hate horrible idle idled
inability inaccurate jailed jeopardise jeopardize lackluster lacklustre lose loses losing malware negative
negatively oppose opposed opposes outflows overhang pain painful pessimistic postpone postponed postpones pressured
problem problems protest protests quit quits red refuse refused refuses reject rejected rejects resign resigned
resigns resistance retrial revolt sell selling shake-up sold-off spill stagnant stall stalled stalls struggle
struggled struggles struggling subpoena subpoenas terrible threat threatened threatens trial trouble troubled
troubles ugly uncertain unrest unsuccessful victim weigh weighed weighs withdraw withdraws withdrew worried worries
worry wrong
"""
BAD_EVENTS_STRONG = """
accused accuses adverse adversely bankrupt bankruptcy bear bearish bears breach breaches bribery charged closure
closures convicted corruption crisis deteriorate deteriorated deteriorates deteriorating deterioration disappoint
disappointed disappointing disappointment disappoints dismiss dismissal dismissals dismissed downgrade downgraded
downgrades downturn evasion fallout fined fraud guilty halt halted halts hit hurt hurting hurts insolvency insolvent
investigated investigation lawsuit lawsuits layoff liquidation manipulation miss missed misses overbought overpriced
overvalued penalised penalized penalty probe probed probes puts recall recalled recalling recalls recession
redundancy restructuring rout sanction sanctions scandal selloffs short shorted shortfalls shorting shorts shutdown
strike strikes sue sued sues suffer suffered suffering suffers terminate terminated terminates topping toppy toxic
turmoil underperform underperformed underperforms underweight unfavorable unfavourable unprofitable violated
violation warn warned warning warns weaken weakened weakening weakens weaker-than-expected worse-than-expected
worsen worsened worsening worsens writeoff
"""
BAD_EVENTS_STRONG_PHRASES = """
all-time low; bad bank; below expectations; below support; break below; breaking down; breaking under; breaks below;
brick wall; broke down; broke support; called off; class action; close down; closes down; closing down;
co-determination negotiations; co-operation negotiations; codetermination negotiations; cooperation negotiations;
credit crunch; cyber attack; data breach; death cross; double top; falling knife; falling knives; force majeure;
forced to pay; getting sold; going concern; going short; hard times; head and shoulders; in the red; industrial
action; into the red; job cuts; job losses; laid off; lay off; laying off; lays off; loading puts; long road; lost
support; lower high; lower highs; lower low; lower lows; lower than expected; made redundant; make redundant; must
pay; negative effect; negative impact; new intraday low; new low; new lows; no growth; no longer; not good; out of
stock; personnel reductions; price war; production stoppage; profit taking; profit warning; profit warnings; pull
out; pulled out; pulls out; pulls plug; pulls the plug; put off; red ink; rolling over; sell off; sell rating; sell
signal; selling off; short of expectations; short position; shut down; shuts down; sold off; staff cuts; statutory
negotiations; step down; stepped down; stepping down; steps down; stopped out; swings to a loss; swings to loss;
swung to a loss; swung to loss; take profits; taking profits; tax evasion; temporary layoffs; trade war; turned to a
loss; turned to loss; under investigation; under pressure; weaker demand; weaker than expected; worse than expected;
would not touch
"""
# States of what follows: strong sales are good, strong competition is bad.
STRONG_STATES = """
best better bright brighter excellent good great healthy impressive record robust solid strong stronger strongest
"""
WEAK_STATES = "bad poor poorer poorly sluggish soft softer subdued tough weak weaker weakest weakness worse worst"
# Nothing by themselves.
HIGH_STATES = """
additional big considerable extra fast full heavy high huge large massive more rapid severe significant surging
"""
LOW_STATES = "insufficient lack limited little loss-making lost low zero"
# They look like a movement, a thing or an event and are none.
VOIDS = """
above-mentioned cutting-edge fast-growing follow-up high-rise higher-end long-term low-cost short-term shortlist
start-up up-to-date well-known win-win
"""
VOIDS_PHRASES = """
a long; above mentioned; added value; annual results; as a result; as a result of; as long as; as well; as well as;
at risk of; award ceremony; bear stearns; below the; benefit plan; best known; best practice; best practices; better
known; better place; better serve; bull market; call center; call centers; call centre; call for; call option; call
options; called for; calls for; calls on; capital expenditure; clinical trial; clinical trials; conference call;
conference calls; cost base; cost estimate; could result; customer base; customer relationship; customer service;
customer services; cutting edge; debt collection; dividend of; dividend payment; dividend policy; down the; down
under; earnings call; earnings release; earnings report; employee benefits; end up; exchange release; exit strategy;
exposure limits; fair trade; fair value; financial results; fire department; fire protection; fire safety;
first-quarter results; follow up; for sale; forward-looking statements; full-year results; fund investment; further
down; good corporate governance; green building; green electricity; green energy; green technology; growth area;
growth areas; growth companies; growth company; growth forecast; growth fund; growth funds; growth market; growth
markets; growth strategy; half-year results; higher education; income tax; income taxes; interim results; investment
advice; investment bank; investment banking; investment companies; investment company; investment firm; investment
fund; investment funds; investment management; investment services; investment trust; line up; lines up; london
stock exchange; long term; longer term; loss adjuster; loss prevention; low cost; lower house; made up; make up;
makes up; market area; market areas; market cap; market capitalisation; market capitalization; market conditions;
market leader in; market research; market value; may result; mentioned above; near term; no longer than; on record;
on sale; open up; opened up; opens up; option plan; order value; payment of dividend; performance management; pick
up at; point of sale; price list; price of; prices of; private equity; pro forma; production facilities; production
facility; production line; production lines; production plant; production plants; production technology; production
unit; purchase price; put option; put options; quality control; quality management; quarterly results; recall that;
record date; record keeping; record label; reduced rate; result for; result of the; results for; results of
operations; results on; results will; risk factors; risk management; risks and uncertainties; safety record; sale
of; sale price; sales and marketing; sales channel; sales channels; sales company; sales director; sales manager;
sales network; sales office; sales offices; sales organisation; sales organization; sales price; sales team; sales
unit; set up; sets up; setting up; share issue; share option; share options; share register; share repurchase; short
film; short list; short notice; short term; short-selling ban; signed up; so long; start up; steve jobs; stock
exchange; stock exchanges; stock market; stock option; stock options; support functions; support services; support
system; support systems; take up; takes up; technical support; too long; took up; trading price; trial period; trial
results; up for; up to; up to date; upper house; value added; value added tax; waste management; waste water; weight
loss; well known; will result
"""
# They turn what follows.
NEGATIONS = """
ain't aren't avoided avoids can't cannot cant couldn't denied denies despite didn't didnt doesn't doesnt don't dont
hadn't hardly hasn't haven't isn't isnt n't neither never no none nor not offset offsets prevent prevented prevents
shouldn't unlikely wasn't wasnt weren't without won't wont wouldn't
"""
# What is meant to come about, or what a product is for: good news of this kind is cheap.
INTENTIONS = """
aim aimed aiming aims allow allowing allows can could designed enable enables enabling goal goals help helping helps
hope hopes if intend intended intends may might mission objective offer offering offers plan planned planning plans
provide provides providing purpose seek seeking seeks should solution solutions strategy vision would
"""
# Between a value and an earlier one.
COMPARISONS = "against compared comparing from than versus vs"
# A statement ends before them.
BREAKS = "although but even however though whereas while yet"
# A movement does not look beyond them for what moved.
STOPS = """
after amid and as at because by due following for into on or owing since thanks that to when which who with
"""

# Value of a word of the list: its sign is the direction or the polarity, 2 the stronger kind.
_LISTS: tuple[tuple[Part, float, str, str], ...] = (
    (Part.THING, 1.0, GOOD_THINGS, GOOD_THINGS_PHRASES),
    (Part.THING, 2.0, GOOD_IN_THEMSELVES, ""),
    (Part.THING, -1.0, BAD_THINGS, BAD_THINGS_PHRASES),
    (Part.THING, -2.0, BAD_IN_THEMSELVES, BAD_IN_THEMSELVES_PHRASES),
    (Part.THING, 0.0, NEUTRAL_THINGS, NEUTRAL_THINGS_PHRASES),
    (Part.MOVEMENT, 1.0, UP, ""),
    (Part.MOVEMENT, 2.0, STRONG_UP, ""),
    (Part.MOVEMENT, -1.0, DOWN, ""),
    (Part.MOVEMENT, -2.0, STRONG_DOWN, ""),
    (Part.EVENT, 1.0, GOOD_EVENTS, ""),
    (Part.EVENT, 2.0, GOOD_EVENTS_STRONG, GOOD_EVENTS_STRONG_PHRASES),
    (Part.EVENT, -1.0, BAD_EVENTS, ""),
    (Part.EVENT, -2.0, BAD_EVENTS_STRONG, BAD_EVENTS_STRONG_PHRASES),
    (Part.STATE, 2.0, STRONG_STATES, ""),
    (Part.STATE, -2.0, WEAK_STATES, ""),
    (Part.STATE, 1.0, HIGH_STATES, ""),
    (Part.STATE, -1.0, LOW_STATES, ""),
    (Part.VOID, 0.0, VOIDS, VOIDS_PHRASES),
    (Part.NEGATION, 0.0, NEGATIONS, ""),
    (Part.INTENTION, 0.0, INTENTIONS, ""),
    (Part.COMPARISON, 0.0, COMPARISONS, ""),
    (Part.BREAK, 0.0, BREAKS, ""),
    (Part.STOP, 0.0, STOPS, ""),
)


@dataclass(frozen=True)
class Vocabulary:
    """Words and phrases with their part and value.

    Attributes
    ----------
    entries
        By word or phrase.
    longest
        Words in the longest phrase that begins with a word.
    """

    entries: Mapping[str, tuple[Part, float]]
    longest: Mapping[str, int]


def vocabulary(positive: Iterable[str] = (), negative: Iterable[str] = ()) -> Vocabulary:
    """Return our words and those of further lists; a word of ours keeps its part.

    Parameters
    ----------
    positive, negative
        Further words, each an event of weight 1; a word of both is left out.

    Examples
    --------
    >>> words = vocabulary(positive=["Lucrative"], negative=["loss"]).entries
    >>> words["lucrative"][1], words["loss"][1], words["operating loss"][1]
    (1.0, -2.0, -2.0)
    """
    entries: dict[str, tuple[Part, float]] = {}
    for part, value, words, phrases in _LISTS:
        for word in (*words.split(), *(" ".join(phrase.split()) for phrase in phrases.split(";") if phrase.strip())):
            entries[word] = (part, value)
    good, bad = ({word.lower() for word in given} for given in (positive, negative))
    for word in sorted(good ^ bad):
        entries.setdefault(word, (Part.EVENT, 1.0 if word in good else -1.0))
    longest: dict[str, int] = {}
    for entry in entries:
        first, *rest = entry.split(" ")
        if rest:
            longest[first] = max(longest.get(first, 0), 1 + len(rest))
    return Vocabulary(entries, longest)
